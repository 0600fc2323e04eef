-- SQLite's virtual table for lsm1 on our library. The expected answers are those of C lsm1.
.mode list
.nullvalue NULL

.print -- numbers as keys
CREATE VIRTUAL TABLE numbers USING lsm1('numbers.lsm', id, UINT, name, size, data);
PRAGMA table_info(numbers);
INSERT INTO numbers(id, name, size, data) VALUES
  (15, 'fifteen', 1.5, x'0f'), (8, 'eight', NULL, x''), (12, NULL, -559281390, 'text'),
  (3000000000, 'large', 40, 41), (0, '', 0, 0);
SELECT id, quote(name), quote(size), quote(data) FROM numbers;
SELECT id, hex(lsm1_key), hex(lsm1_value) FROM numbers;

.print -- ranges
SELECT id FROM numbers WHERE id = 12;
SELECT id FROM numbers WHERE id = 13;
SELECT id FROM numbers WHERE id > 8;
SELECT id FROM numbers WHERE id >= 8 AND id < 15;
SELECT id FROM numbers WHERE id BETWEEN 1 AND 14;
SELECT id FROM numbers WHERE id <= 12;

.print -- update, replace, delete
UPDATE numbers SET size = size + 1 WHERE id = 15;
UPDATE numbers SET id = 16 WHERE id = 15;
INSERT INTO numbers(id, name) VALUES (8, 'eight again');
DELETE FROM numbers WHERE id = 0;
SELECT id, quote(name), quote(size) FROM numbers;

.print -- transactions
BEGIN;
INSERT INTO numbers(id, name) VALUES (100, 'hundred');
DELETE FROM numbers WHERE id < 100;
SELECT count(*) FROM numbers;
ROLLBACK;
SELECT count(*) FROM numbers;
BEGIN;
INSERT INTO numbers(id, name) VALUES (100, 'hundred'), (101, 'more');
COMMIT;
SELECT id, name FROM numbers WHERE id >= 100;

.print -- texts as keys
CREATE VIRTUAL TABLE words USING lsm1('words.lsm', word, TEXT, length);
WITH RECURSIVE counter(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < 3000)
  INSERT INTO words(word, length) SELECT printf('word%05d', n * 7919 % 3000), n FROM counter;
SELECT count(*), min(word), max(word), sum(length) FROM words;
SELECT word FROM words WHERE word >= 'word0001' AND word < 'word00014' ORDER BY word;
SELECT word FROM words WHERE word > 'word02995' ORDER BY word;
SELECT count(*) FROM words WHERE word LIKE 'word012%';
SELECT length FROM words WHERE word = 'word00001';
DELETE FROM words WHERE word BETWEEN 'word00100' AND 'word01999';
SELECT count(*), min(word), max(word) FROM words;

.print -- bytes as keys
CREATE VIRTUAL TABLE bytes USING lsm1('bytes.lsm', key, BLOB, value);
INSERT INTO bytes VALUES (x'00', 1), (x'ff00', 3), (x'ff', zeroblob(20000)), (x'80', 'x');
SELECT hex(key), typeof(value), length(value) FROM bytes;
SELECT hex(key) FROM bytes WHERE key > x'80';

.print -- another connection of this process
.connection 1
.open :memory:
.load ../lsm
.mode list
.nullvalue NULL
CREATE VIRTUAL TABLE numbers USING lsm1('numbers.lsm', id, UINT, name, size, data);
SELECT count(*) FROM numbers;
INSERT INTO numbers(id, name) VALUES (200, 'from the second');
.connection 0
SELECT name FROM numbers WHERE id = 200;
BEGIN;
UPDATE numbers SET name = 'from the first' WHERE id = 200;
.connection 1
SELECT name FROM numbers WHERE id = 200;
.connection 0
COMMIT;
.connection 1
SELECT name FROM numbers WHERE id = 200;

.print -- another process
.system sqlite3 :memory: -cmd ".load ../lsm" "CREATE VIRTUAL TABLE w USING lsm1('words.lsm', word, TEXT, length); SELECT count(*) FROM w; INSERT INTO w VALUES ('zebra', 5)"
.connection 0
SELECT word, length FROM words WHERE word >= 'x';

.print -- dropping the table keeps the file
DROP TABLE bytes;
CREATE VIRTUAL TABLE bytes USING lsm1('bytes.lsm', key, BLOB, value);
SELECT count(*) FROM bytes;
