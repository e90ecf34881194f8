-- A ledger of form 1 as the last version that wrote it left it: ACC sheets are known by the names of their files,
-- two of them by the same one; a BIM 360 sheet in its second version, a Cost document. It must stay readable for
-- ever, so it is never made anew.
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
INSERT INTO "exports" VALUES(1,X'25BC1CDB1B873E43893A55524CAE1CB6',X'0B216B444D2F7E1A43DB1F711653F94C',1,2,NULL,'{"kind":"bim360","projectId":"6f1c2a34-9b5e-4c7d-8e21-0d4f5a6b7c8d","subjects":["urn:adsk.wipprod:fs.file:vf.0000000000000000000007?version=1"],"name":"S-1"}','job-1',NULL,1.79562020164450407032e+09);
INSERT INTO "exports" VALUES(2,X'A990A522D8A52D0FBB085E1856013233',X'F332022CE1E1CE6DC54917752B049814',2,2,'A-101 - Plan','{"kind":"acc-sheets","projectId":"6f1c2a34-9b5e-4c7d-8e21-0d4f5a6b7c8d","subjects":["a0000000-0000-4000-8000-000000000001"],"userId":"ADA","name":"A-101 - Plan"}','job-1',NULL,1.79562020165335106854e+09);
INSERT INTO "exports" VALUES(3,X'798E221620ECF569F7895BD4CB548931',X'F332022CE1E1CE6DC54917752B049814',2,2,'A-101 - Plan (2)','{"kind":"acc-sheets","projectId":"6f1c2a34-9b5e-4c7d-8e21-0d4f5a6b7c8d","subjects":["b0000000-0000-4000-8000-000000000001"],"userId":"ADA","name":"A-101 - Plan"}','job-2',NULL,1.79562020165506029123e+09);
INSERT INTO "exports" VALUES(4,X'34AD591F6DA676C4D65B2156D3B9FBDD',X'88B959449C4F55CBA43CCE07469A6268',2,2,'A-102 - Roof','{"kind":"acc-sheets","projectId":"6f1c2a34-9b5e-4c7d-8e21-0d4f5a6b7c8d","subjects":["c0000000-0000-4000-8000-000000000001"],"userId":"ADA","name":"A-102 - Roof"}','job-3',NULL,1.79562020165667605401e+09);
INSERT INTO "exports" VALUES(5,X'EAAED3E2BB72979B94CF6104FCB481BE',X'B401B8B3BE477832AB98D5FAA2D1FA0B',2,1,'A-103 - Core','{"kind":"acc-sheets","projectId":"6f1c2a34-9b5e-4c7d-8e21-0d4f5a6b7c8d","subjects":["d0000000-0000-4000-8000-000000000001"],"userId":"ADA","name":"A-103 - Core"}','job-4',NULL,1.79562020165725970272e+09);
INSERT INTO "exports" VALUES(6,X'F52C521FF20B4AC7F556DD2D7482891F',X'0B216B444D2F7E1A43DB1F711653F94C',2,2,'S-1','{"kind":"bim360","projectId":"6f1c2a34-9b5e-4c7d-8e21-0d4f5a6b7c8d","subjects":["urn:adsk.wipprod:fs.file:vf.0000000000000000000007?version=2"],"name":"S-1"}','job-5',NULL,1.79562020165899682041e+09);
INSERT INTO "exports" VALUES(7,X'86ADC8D060ED30FB2DCC444AF3DF1E31',X'AF2A51746F66F8BDF1150D2AF1C942EB',2,2,'Budget 1','{"kind":"cost","projectId":"6f1c2a34-9b5e-4c7d-8e21-0d4f5a6b7c8d","subjects":["c0570000-0000-4000-8000-000000000001"],"name":"Budget 1","cost":{"containerId":"6f1c2a34-9b5e-4c7d-8e21-0d4f5a6b7c8d","associationType":"Budget"}}','document-1',NULL,1.79562020166077470784e+09);
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "facts" VALUES('tag','df2ce12e-');
CREATE TABLE files (
            export INTEGER NOT NULL,
            name TEXT NOT NULL, -- in the folder
            size INTEGER NOT NULL,
            sha256 BLOB NOT NULL,
            PRIMARY KEY (export, name)
        ) WITHOUT ROWID;
INSERT INTO "files" VALUES(2,'A-101 - Plan.pdf',45,X'4008792CB0988D9377777977515DFD0F8439D518FA9EA7586012A691B5789607');
INSERT INTO "files" VALUES(3,'A-101 - Plan (2).pdf',45,X'50411687E52E3DABDAAE193164F22BB8753297012156478ADCF76AD5A3B2FCEB');
INSERT INTO "files" VALUES(4,'A-102 - Roof.pdf',45,X'22B70D00863E3EB976C5ADAA2B3CB8C489727B370F6F9DBC3CF8972D5E0B2115');
INSERT INTO "files" VALUES(6,'S-1.pdf',69,X'8C50E7FBAD3CEFDA094A52C37CF3963BBB1BE3CDD1FD4468FE09C299FD33C3E7');
INSERT INTO "files" VALUES(7,'Budget 1.docx',45,X'02BDDA16A2563CB8466C7F33DB7EC6DAD52EF2A47DD475FE019F8FA8610E1DAD');
CREATE TABLE names (
            folded BLOB PRIMARY KEY, -- a digest of a name without suffix, as systems compare it
            export INTEGER NOT NULL -- whose it is
        ) WITHOUT ROWID;
INSERT INTO "names" VALUES(X'4DDE60DE06B36DF69E808902EE680D6D',2);
INSERT INTO "names" VALUES(X'796EFED93E4976B4C7BB73D14ADED747',5);
INSERT INTO "names" VALUES(X'C9B7CF915A471DDD6B727853FA27F01B',6);
INSERT INTO "names" VALUES(X'E1121E8C362E1B2C70D1609941C286D1',4);
INSERT INTO "names" VALUES(X'E92D72339A89A93361B4208E15FED2BA',7);
INSERT INTO "names" VALUES(X'F39A3909AF9E1634A9EF51E5B70112E8',3);
CREATE TABLE runs (
            id INTEGER PRIMARY KEY,
            began REAL NOT NULL,
            ended REAL, -- NULL: it goes on, or was stopped
            total INTEGER, -- NULL: not known before its end
            command TEXT -- JSON: what to run again
        );
INSERT INTO "runs" VALUES(1,1.79562020163869309427e+09,1.79562020164503955842e+09,1,'as before');
INSERT INTO "runs" VALUES(2,1.79562020164921951298e+09,1.79562020166134142873e+09,6,'as before');
CREATE INDEX exports_lineage ON exports (lineage);
COMMIT;
