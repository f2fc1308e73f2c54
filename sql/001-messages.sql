-- SPDX-License-Identifier: MIT
--
-- The messages, and the lock that puts them in order.
--
-- Text is compared byte for byte: utf8mb4_nopad_bin tells "a" from "A", from
-- "á" and from "a ".

CREATE TABLE IF NOT EXISTS append_lock (
  id TINYINT UNSIGNED NOT NULL PRIMARY KEY
    COMMENT 'Always 1'
)
  ENGINE=InnoDB
  DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
  COMMENT='One row. Whoever stores messages locks it first, so that IDs appear in their order';

INSERT IGNORE INTO append_lock (id) VALUES (1);

-- Keys: each one ends in the ID, which InnoDB reads in order, so that a filter
-- and its order are served by one range of one index. Content is found by a
-- digest, because 65,535 bytes do not fit into a key; whoever searches by it
-- compares the content as well.
CREATE TABLE IF NOT EXISTS message (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY
    COMMENT 'ID: never used again, visible in order, may have gaps',
  sender VARCHAR(255) NOT NULL
    COMMENT 'From: 1 to 255 characters',
  content TEXT NOT NULL
    COMMENT 'Content: 1 to 65,535 bytes of UTF-8',
  stored_at DATETIME(6) NOT NULL
    COMMENT 'Date: when it was stored, in UTC',
  idempotency_key VARCHAR(255) CHARACTER SET ascii COLLATE ascii_nopad_bin NULL
    COMMENT 'Idempotency-Key it was sent with, if any',
  replayed BOOLEAN NOT NULL DEFAULT FALSE
    COMMENT 'Its idempotency key was sent more than once',
  content_digest BINARY(16) AS (LEFT(UNHEX(SHA2(content, 256)), 16)) STORED
    COMMENT 'First half of the SHA-256 of the content, to find it by',
  UNIQUE KEY message_idempotency_key (idempotency_key),
  KEY message_sender (sender, id),
  KEY message_content (content_digest, id),
  KEY message_sender_content (sender, content_digest, id)
)
  ENGINE=InnoDB
  DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
  COMMENT='The messages of the inbox';
