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
INSERT INTO "exports" VALUES(1,X'D2F4BD6C09868E1255B6DA50962A7478',X'DE2DBDBBEAB189BDBB0053AB94BB21B4',1,2,'A-101 - Ground Floor General Arrangement','{"kind":"bim360","projectId":"9689b6da-9a9e-534d-aef9-aff44867669b","subjects":["urn:adsk.wipprod:fs.file:vf.OtT6wxPje3l0rHSTErEZHQ?version=1"],"options":{"markups":true},"name":"A-101 - Ground Floor General Arrangement"}','ec0b2f94-4a62-5ccb-ba39-c4a24fa1e4a4',NULL,1.79562217953515791896e+09);
INSERT INTO "exports" VALUES(2,X'F445E6B0FC62C080E127EC7C873BCD0C',X'4422AF0A74A9915B48B19912A6EBEE66',1,2,'A-102 - Ground Floor Reflected Ceiling Plan','{"kind":"bim360","projectId":"9689b6da-9a9e-534d-aef9-aff44867669b","subjects":["urn:adsk.wipprod:fs.file:vf.1qZIO7soLi8poOQBm7KnMw?version=1"],"options":{"markups":true},"name":"A-102 - Ground Floor Reflected Ceiling Plan"}','209e39be-ecb0-5361-80bf-c718ceefa68f',NULL,1.7956221795107905865e+09);
INSERT INTO "exports" VALUES(3,X'440A91492F797D6C74510C6EF608EA3A',X'1BEFC68A41DE13D0E43BAD450CB5440B',1,2,'A-103 - Ground Floor Finish Plan','{"kind":"bim360","projectId":"9689b6da-9a9e-534d-aef9-aff44867669b","subjects":["urn:adsk.wipprod:fs.file:vf.GHXlHnju4AlfEHpgofAVdA?version=1"],"options":{"markups":true},"name":"A-103 - Ground Floor Finish Plan"}','3c29e73d-f374-5825-9d90-89e52e658fd9',NULL,1.79562217957992553704e+09);
INSERT INTO "exports" VALUES(4,X'8A1F8DC9D81815368AD1C54D448ACFDD',X'AB5046F0498882885AECD15AF55308AB',1,2,'A-104 - Ground Floor Enlarged Plan','{"kind":"bim360","projectId":"9689b6da-9a9e-534d-aef9-aff44867669b","subjects":["urn:adsk.wipprod:fs.file:vf.QfUKBd3v_QZNydYo97ey8g?version=2"],"options":{"markups":true},"name":"A-104 - Ground Floor Enlarged Plan"}','415c24f4-7ecd-52e7-ac49-c67cd74a2681',NULL,1.79562217948934030537e+09);
INSERT INTO "exports" VALUES(5,X'E7165C7ED8BA168D6A616894956E97C4',X'56832B24615A20155A108DC2B9C73E80',1,2,'A-105 - Ground Floor Partition Plan','{"kind":"bim360","projectId":"9689b6da-9a9e-534d-aef9-aff44867669b","subjects":["urn:adsk.wipprod:fs.file:vf.fNTUzYhb_RNzHv_6nZ9mNg?version=1"],"options":{"markups":true},"name":"A-105 - Ground Floor Partition Plan"}','f772ea86-edcb-596e-aace-cdca138a1130',NULL,1.79562217957104301455e+09);
INSERT INTO "exports" VALUES(6,X'2114747413EBD74B571AED5F2CBF9173',X'F39C1A8040AE09F751FD99BEE839761A',1,2,'S-101 - Ground Floor Framing Plan','{"kind":"bim360","projectId":"9689b6da-9a9e-534d-aef9-aff44867669b","subjects":["urn:adsk.wipprod:fs.file:vf.BKah8Tz3qB82QYCKMQL2lQ?version=1"],"options":{"markups":true},"name":"S-101 - Ground Floor Framing Plan"}','d1f79d82-898b-5e4e-ba3a-036542531e42',NULL,1.79562217948864221569e+09);
INSERT INTO "exports" VALUES(7,X'B6ECAC958C11A80EE9C4B7AA73207D12',X'68F22C981D139E3F169A842221032D07',1,2,'S-102 - Ground Floor Foundation Plan','{"kind":"bim360","projectId":"9689b6da-9a9e-534d-aef9-aff44867669b","subjects":["urn:adsk.wipprod:fs.file:vf.wWQIqvvLIgBbZjQGd4A26A?version=1"],"options":{"markups":true},"name":"S-102 - Ground Floor Foundation Plan"}','20910638-2ab9-551c-90b6-f7398c27dacb',NULL,1795622179.64426);
INSERT INTO "exports" VALUES(8,X'CD8E10BE38E412B9EF6258DA7F2AC5F0',X'7542826AE5B29DB79E99A7300DD3815B',1,2,'S-103 - Ground Floor Slab Reinforcement Plan','{"kind":"bim360","projectId":"9689b6da-9a9e-534d-aef9-aff44867669b","subjects":["urn:adsk.wipprod:fs.file:vf.uDPqMj1HpQ8FgrzSXOQXsw?version=1"],"options":{"markups":true},"name":"S-103 - Ground Floor Slab Reinforcement Plan"}','a81ee183-55dc-5a47-8bc0-4f485fe2a129',NULL,1.79562217960302591326e+09);
INSERT INTO "exports" VALUES(9,X'E9DE08A48F0AF89A330AF34FE26790BB',X'2AD45257513969148B60BBB268B65B32',1,2,'M-101 - Ground Floor Ductwork Plan','{"kind":"bim360","projectId":"9689b6da-9a9e-534d-aef9-aff44867669b","subjects":["urn:adsk.wipprod:fs.file:vf.0PHqU3gYOxOfmybWznkgEg?version=1"],"options":{"markups":true},"name":"M-101 - Ground Floor Ductwork Plan"}','fc26cc4d-e635-5246-bb02-7acbb0d73bee',NULL,1.79562217955097627643e+09);
INSERT INTO "exports" VALUES(10,X'2F60308D8FBD4D0F22D221A7DD91352B',X'379CAAD7F84E3ED435EC247C3A3D304D',1,2,'M-102 - Ground Floor Chilled Water Plan','{"kind":"bim360","projectId":"9689b6da-9a9e-534d-aef9-aff44867669b","subjects":["urn:adsk.wipprod:fs.file:vf.L8xKguGjrt2OLmaYoPMZBA?version=1"],"options":{"markups":true},"name":"M-102 - Ground Floor Chilled Water Plan"}','77044dfb-b8e0-5d19-aa8e-54a9aaeaae50',NULL,1.79562217968729972844e+09);
INSERT INTO "exports" VALUES(11,X'DB8FEB36CB8EF7AA92DDB607FCA60A90',X'9FFCF6EE70838028B2D8F8B4B0D92077',1,2,'E-101 - Ground Floor Lighting Plan','{"kind":"bim360","projectId":"9689b6da-9a9e-534d-aef9-aff44867669b","subjects":["urn:adsk.wipprod:fs.file:vf.K7_qWXaMz-P3pA56pcA7BA?version=1"],"options":{"markups":true},"name":"E-101 - Ground Floor Lighting Plan"}','b2dcda13-4086-53b5-bbef-f1cd3503a51a',NULL,1.79562217964499139786e+09);
INSERT INTO "exports" VALUES(12,X'7FD8250910DEF793F6CCBB0D8F879C86',X'D0C55928A30FB78FDDE60475B3A39069',1,2,'P-101 - Ground Floor Drainage Plan','{"kind":"bim360","projectId":"9689b6da-9a9e-534d-aef9-aff44867669b","subjects":["urn:adsk.wipprod:fs.file:vf.JV0A5IiRRDE_b11SD6CbMQ?version=1"],"options":{"markups":true},"name":"P-101 - Ground Floor Drainage Plan"}','caf0994f-e37c-5d40-a14b-fdeeae698253',NULL,1.79562217948608040815e+09);
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "facts" VALUES('tag','1bdbb769-');
CREATE TABLE files (
            export INTEGER NOT NULL,
            name TEXT NOT NULL, -- in the folder
            size INTEGER NOT NULL,
            sha256 BLOB NOT NULL,
            PRIMARY KEY (export, name)
        ) WITHOUT ROWID;
INSERT INTO "files" VALUES(1,'A-101 - Ground Floor General Arrangement.pdf',6741,X'968B5276E7D8626E71A9B16B32C5ECC41C9BF7E509B403B0BB95BAD85201FBC4');
INSERT INTO "files" VALUES(2,'A-102 - Ground Floor Reflected Ceiling Plan.pdf',9669,X'016FCD6D81C3DFB21B3DCA27D0515755C344C5E2294D47196EA42AC0545EAFB0');
INSERT INTO "files" VALUES(3,'A-103 - Ground Floor Finish Plan.pdf',8882,X'77FDBA4F80D4A8D41DC2536E7263F250FECC00CF709BEDD548F53217F724FE80');
INSERT INTO "files" VALUES(4,'A-104 - Ground Floor Enlarged Plan.pdf',6862,X'852264FFE762646F96195A482D20133960E58D45EA597D0069F059A17E7E37E3');
INSERT INTO "files" VALUES(5,'A-105 - Ground Floor Partition Plan.pdf',6698,X'5A65819C3519F937ACE68BBF60529FEFA765549CA53F2A1CC06ECDA11192DB16');
INSERT INTO "files" VALUES(6,'S-101 - Ground Floor Framing Plan.pdf',7211,X'B2DEFCAE9B577CEE9B8B8D9BAE85289244299DD2C485DCADD5370D1D07ECD93D');
INSERT INTO "files" VALUES(7,'S-102 - Ground Floor Foundation Plan.pdf',5314,X'8B7D38E0F6F158AC41E8588C838A90BB9C53B7CD2570E305ACDD2F25620DD12C');
INSERT INTO "files" VALUES(8,'S-103 - Ground Floor Slab Reinforcement Plan.pdf',6587,X'EE48CEAD3D91D3E4C5998867555F9B453AFBD7EFD2CDAE3F567B1EA64559FB73');
INSERT INTO "files" VALUES(9,'M-101 - Ground Floor Ductwork Plan.pdf',7110,X'2179DBD02C3E334EA0AD0570E33F2309E414B70CACA281F64EC09B2D9BE2ED28');
INSERT INTO "files" VALUES(10,'M-102 - Ground Floor Chilled Water Plan.pdf',7056,X'874D1A9C9E157447170ABE220FF4E5C2002935EB18BA98FEAB5EFAB0E869AB5D');
INSERT INTO "files" VALUES(11,'E-101 - Ground Floor Lighting Plan.pdf',9567,X'8AE3C1BA2E7BB39489914291D321FF37752EF365833EE8C7BCB66BB053A02E42');
INSERT INTO "files" VALUES(12,'P-101 - Ground Floor Drainage Plan.pdf',7817,X'31DBBF7BD5EDAAA1E64FA7973D2510640CBFE422088F036BCDE1A7759C3E1A97');
CREATE TABLE names (
            folded BLOB PRIMARY KEY, -- a digest of a name without suffix, as systems compare it
            export INTEGER NOT NULL -- whose it is
        ) WITHOUT ROWID;
INSERT INTO "names" VALUES(X'2A564C34E0AA90FC19AAD5ABAB97EAB6',5);
INSERT INTO "names" VALUES(X'30C0159561472D0D1CBB625F9C790824',1);
INSERT INTO "names" VALUES(X'4457FE9F103B3495EBA95A2FCF05AE11',11);
INSERT INTO "names" VALUES(X'4C1EC1834DA9B70F5671C6C9E7AF253E',7);
INSERT INTO "names" VALUES(X'51016C0378F59E7965B2B41B9AB58E2D',3);
INSERT INTO "names" VALUES(X'822FD4B0966F0212B48CE12C0643028E',10);
INSERT INTO "names" VALUES(X'95B3C926FA0E4BA1148668C1692BCEAE',9);
INSERT INTO "names" VALUES(X'9807F7FD9B87B03BCAA807CEB937B698',4);
INSERT INTO "names" VALUES(X'9D7685DE2C4E2EB33494A97C9BC8C870',8);
INSERT INTO "names" VALUES(X'BD4EE1CF6CDC1DA2A456EF65BD6B04ED',6);
INSERT INTO "names" VALUES(X'C7435BB0C35E6E62460141133CA5CF5A',2);
INSERT INTO "names" VALUES(X'E157F86505A18872B2D975FF573505B1',12);
CREATE TABLE runs (
            id INTEGER PRIMARY KEY,
            began REAL NOT NULL,
            ended REAL, -- NULL: it goes on, or was stopped
            total INTEGER, -- NULL: not known before its end
            command TEXT -- JSON: what to run again
        );
INSERT INTO "runs" VALUES(1,1.79562217934285712236e+09,1.79562217968775200845e+09,12,'{"command": "export", "project": "Riverside Clinic", "options": {"markups": true}}');
CREATE INDEX exports_lineage ON exports (lineage);
COMMIT;
