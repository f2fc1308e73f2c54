-- SPDX-License-Identifier: MIT
--
-- The users and what they may do: this, and nothing else. Applied at every
-- migration, so it also sets new passwords. sql/migrate sets the variables:
-- @database_name, @program_user, @program_password, @admin_user,
-- @admin_password.
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
-- … RETURNING asks for INSERT and UPDATE of every column that it names. What is
-- left of UPDATE is taken back by the trigger below; that of INSERT, by which it
-- could choose IDs and times, is not: MariaDB has no CHECK on AUTO_INCREMENT, and
-- a trigger would make a batch of 256 slower by a tenth to a third.
SET @program_grant = CONCAT('GRANT SELECT, ',
  'INSERT (id, sender, content, stored_at, idempotency_key, replayed), ',
  'UPDATE (id, sender, content, stored_at, idempotency_key, replayed) ON `',
  @database_name, '`.message TO ',
  QUOTE(@program_user), '@''%'', ', QUOTE(@program_user), '@''localhost''');
EXECUTE IMMEDIATE @program_grant;

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

-- Takes back what else they have, from an older release or by hand: one right
-- after the other, so that a replica that runs has those above all the time.
-- But INSERT and UPDATE of the whole table go only with those of its columns,
-- which are given again at once: a request of that moment may be refused.
SET @program_accounts = CONCAT(
  QUOTE(@program_user), '@''%'',', QUOTE(@program_user), '@''localhost''');
SET @admin_accounts = CONCAT(
  QUOTE(@admin_user), '@''%'',', QUOTE(@admin_user), '@''localhost''');
SET @accounts = CONCAT(@program_accounts, ',', @admin_accounts);
DELIMITER //
BEGIN NOT ATOMIC
  -- ER_NONEXISTING_GRANT, ER_NONEXISTING_TABLE_GRANT: it went with another one.
  DECLARE CONTINUE HANDLER FOR 1141, 1147 BEGIN END;
  FOR surplus IN (
    SELECT 'ALL PRIVILEGES' AS rights, '*.*' AS place, grantee
      FROM information_schema.user_privileges
      WHERE FIND_IN_SET(grantee, @accounts) AND privilege_type <> 'USAGE'
    UNION SELECT 'GRANT OPTION', '*.*', grantee
      FROM information_schema.user_privileges
      WHERE FIND_IN_SET(grantee, @accounts) AND is_grantable = 'YES'
    UNION SELECT 'ALL PRIVILEGES',
        CONCAT('`', REPLACE(table_schema, '`', '``'), '`.*'), grantee
      FROM information_schema.schema_privileges
      WHERE FIND_IN_SET(grantee, @accounts)
        AND NOT (FIND_IN_SET(grantee, @admin_accounts)
          AND table_schema = REPLACE(@database_name, '_', '\\_'))
    UNION SELECT 'GRANT OPTION',
        CONCAT('`', REPLACE(table_schema, '`', '``'), '`.*'), grantee
      FROM information_schema.schema_privileges
      WHERE FIND_IN_SET(grantee, @accounts) AND is_grantable = 'YES'
    UNION SELECT privilege_type, CONCAT('`', REPLACE(table_schema, '`', '``'),
        '`.`', REPLACE(table_name, '`', '``'), '`'), grantee
      FROM information_schema.table_privileges
      WHERE FIND_IN_SET(grantee, @accounts)
        AND NOT (FIND_IN_SET(grantee, @program_accounts)
          AND table_schema = @database_name
          AND table_name IN ('message', 'append_lock')
          AND privilege_type = 'SELECT')
    UNION SELECT 'GRANT OPTION', CONCAT('`', REPLACE(table_schema, '`', '``'),
        '`.`', REPLACE(table_name, '`', '``'), '`'), grantee
      FROM information_schema.table_privileges
      WHERE FIND_IN_SET(grantee, @accounts) AND is_grantable = 'YES'
    UNION SELECT
        CONCAT(privilege_type, ' (`', REPLACE(column_name, '`', '``'), '`)'),
        CONCAT('`', REPLACE(table_schema, '`', '``'), '`.`',
          REPLACE(table_name, '`', '``'), '`'), grantee
      FROM information_schema.column_privileges
      WHERE FIND_IN_SET(grantee, @accounts)
        AND NOT (FIND_IN_SET(grantee, @program_accounts)
          AND table_schema = @database_name AND table_name = 'message'
          AND privilege_type IN ('INSERT', 'UPDATE')
          AND column_name IN ('id', 'sender', 'content', 'stored_at',
            'idempotency_key', 'replayed'))
    UNION SELECT 'ALL PRIVILEGES', CONCAT(routine_type, ' `',
        REPLACE(db, '`', '``'), '`.`', REPLACE(routine_name, '`', '``'), '`'),
        CONCAT(QUOTE(user), '@', QUOTE(host))
      FROM mysql.procs_priv
      WHERE FIND_IN_SET(CONCAT(QUOTE(user), '@', QUOTE(host)), @accounts)
    UNION SELECT CONCAT('`', REPLACE(role, '`', '``'), '`'), NULL,
        CONCAT(QUOTE(user), '@', QUOTE(host))
      FROM mysql.roles_mapping
      WHERE FIND_IN_SET(CONCAT(QUOTE(user), '@', QUOTE(host)), @accounts)
  ) DO
    EXECUTE IMMEDIATE CONCAT('REVOKE ', surplus.rights,
      COALESCE(CONCAT(' ON ', surplus.place), ''), ' FROM ', surplus.grantee);
    EXECUTE IMMEDIATE @program_grant;
  END FOR;
END//
DELIMITER ;
