-- A ledger of form 1, as the first version of the library that kept one left it: a file done, a job started, a
-- request waiting. It must stay readable for ever, so it is never made anew.
PRAGMA application_id=1095783265;
PRAGMA user_version=1;
BEGIN TRANSACTION;
CREATE TABLE exports (
            id INTEGER PRIMARY KEY,
            key BLOB NOT NULL UNIQUE, -- a digest of the request without its name
            lineage BLOB NOT NULL, -- a digest of what it is a version of
            run INTEGER NOT NULL, -- the last that asked for it
            state INTEGER NOT NULL,
            name TEXT, -- without suffix; NULL: a newer version has it now
            request TEXT NOT NULL, -- JSON
            export_id TEXT,
            problem TEXT,
            changed REAL NOT NULL
        );
INSERT INTO "exports" VALUES(1,X'ACF44A66E52F0669A4938777C0BFC501',X'2ACF25BFCC282AC4147AC9D1F3755C67',1,2,'Sheet 1','{"kind":"bim360","projectId":"p","subjects":["urn:adsk.wipprod:fs.file:vf.0000000000000000000001?version=1"],"name":"Sheet 1"}','job-1',NULL,1.79530131841276931765e+09);
INSERT INTO "exports" VALUES(2,X'4FAB3F72D33BB0F1F9ED16C51B006151',X'66859CA26805C7F62E0E739C9BAE9804',1,1,'Sheet 2','{"kind":"bim360","projectId":"p","subjects":["urn:adsk.wipprod:fs.file:vf.0000000000000000000002?version=1"],"name":"Sheet 2"}','job-2',NULL,1.79530131841242980954e+09);
INSERT INTO "exports" VALUES(3,X'73AEA92233C449616BBAE16A1C138528',X'BABD4D31588D5B0E2EA1BD103839D289',1,0,'Sheet 3','{"kind":"bim360","projectId":"p","subjects":["urn:adsk.wipprod:fs.file:vf.0000000000000000000003?version=1"],"name":"Sheet 3"}',NULL,NULL,1.79530131841172695163e+09);
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "facts" VALUES('tag','6c80d31c-');
CREATE TABLE files (
            export INTEGER NOT NULL,
            name TEXT NOT NULL, -- in the folder
            size INTEGER NOT NULL,
            sha256 BLOB NOT NULL,
            PRIMARY KEY (export, name)
        ) WITHOUT ROWID;
INSERT INTO "files" VALUES(1,'Sheet 1.pdf',5,X'ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB');
CREATE TABLE names (
            folded BLOB PRIMARY KEY, -- a digest of a name without suffix, as systems compare it
            export INTEGER NOT NULL -- whose it is
        ) WITHOUT ROWID;
INSERT INTO "names" VALUES(X'19FA35D6F4951F322497192091D1F75E',2);
INSERT INTO "names" VALUES(X'21D15EDBBB4633B45B3F1AD7817997D2',1);
INSERT INTO "names" VALUES(X'AA330DFF1593A72D70E5D0796FF871A6',3);
CREATE TABLE runs (
            id INTEGER PRIMARY KEY,
            began REAL NOT NULL,
            ended REAL, -- NULL: it goes on, or was stopped
            total INTEGER, -- NULL: not known before its end
            command TEXT -- JSON: what to run again
        );
INSERT INTO "runs" VALUES(1,1.79530131840635442733e+09,NULL,3,'as before');
CREATE INDEX exports_lineage ON exports (lineage);
COMMIT;
