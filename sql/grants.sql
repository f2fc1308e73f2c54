-- SPDX-License-Identifier: MIT
--
-- The users and what they may do. Applied at every migration, so it also sets
-- new passwords. sql/migrate sets the variables: @database_name,
-- @program_user, @program_password, @admin_user, @admin_password.
--
-- Both users may come by network and by socket; without the second account
-- an anonymous user of 'localhost' would be taken for theirs.

EXECUTE IMMEDIATE CONCAT('CREATE USER IF NOT EXISTS ',
  QUOTE(@program_user), '@''%'', ', QUOTE(@program_user), '@''localhost'', ',
  QUOTE(@admin_user), '@''%'', ', QUOTE(@admin_user), '@''localhost''');

EXECUTE IMMEDIATE CONCAT('ALTER USER ',
  QUOTE(@program_user), '@''%'' IDENTIFIED BY ', QUOTE(@program_password), ', ',
  QUOTE(@program_user), '@''localhost'' IDENTIFIED BY ', QUOTE(@program_password), ', ',
  QUOTE(@admin_user), '@''%'' IDENTIFIED BY ', QUOTE(@admin_password), ', ',
  QUOTE(@admin_user), '@''localhost'' IDENTIFIED BY ', QUOTE(@admin_password));

-- The program reads, appends and marks replays. INSERT … ON DUPLICATE KEY UPDATE
-- … RETURNING asks for INSERT and UPDATE of every column that it names, so what
-- is left of UPDATE is taken back by the trigger below.
EXECUTE IMMEDIATE CONCAT('GRANT SELECT, ',
  'INSERT (id, sender, content, stored_at, idempotency_key, replayed), ',
  'UPDATE (id, sender, content, stored_at, idempotency_key, replayed) ON `',
  @database_name, '`.message TO ',
  QUOTE(@program_user), '@''%'', ', QUOTE(@program_user), '@''localhost''');

-- For the program a message is final. Made only when it differs from what is
-- there: making it waits for every statement that reads messages.
SET @trigger_body = CONCAT(
  'IF SUBSTRING_INDEX(USER(), ''@'', 1) = ', QUOTE(@program_user),
  ' AND NOT (NEW.id = OLD.id AND NEW.sender = OLD.sender',
  ' AND NEW.content = OLD.content AND NEW.stored_at = OLD.stored_at',
  ' AND NEW.idempotency_key <=> OLD.idempotency_key) THEN',
  ' SIGNAL SQLSTATE ''42000'' SET MESSAGE_TEXT = ''a message is final'';',
  ' END IF');
SET @trigger_is_there = EXISTS (
  SELECT 1 FROM information_schema.triggers
  WHERE trigger_schema = @database_name
    AND trigger_name = 'message_is_final'
    AND action_statement = @trigger_body
);
EXECUTE IMMEDIATE IF(@trigger_is_there, 'DO 0', CONCAT(
  'CREATE OR REPLACE TRIGGER `', @database_name, '`.message_is_final ',
  'BEFORE UPDATE ON `', @database_name, '`.message FOR EACH ROW ', @trigger_body));

-- To lock the row it needs no more than to read it.
EXECUTE IMMEDIATE CONCAT(
  'GRANT SELECT ON `', @database_name, '`.append_lock TO ',
  QUOTE(@program_user), '@''%'', ', QUOTE(@program_user), '@''localhost''');

-- Everything in this database, and nothing outside of it. "_" would stand for
-- any character here.
EXECUTE IMMEDIATE CONCAT(
  'GRANT ALL PRIVILEGES ON `', REPLACE(@database_name, '_', '\\_'), '`.* TO ',
  QUOTE(@admin_user), '@''%'', ', QUOTE(@admin_user), '@''localhost''');
