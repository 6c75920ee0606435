BEGIN TRANSACTION;
CREATE TABLE kept (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "kept" VALUES('learnt','{"timing":[],"gap":0.001}');
INSERT INTO "kept" VALUES('service','"127.0.0.1:1"');
CREATE TABLE planning (newest INTEGER NOT NULL, started INTEGER NOT NULL);
INSERT INTO "planning" VALUES(1,1);
CREATE TABLE progress (commits INTEGER NOT NULL, highest INTEGER NOT NULL);
INSERT INTO "progress" VALUES(18,5);
CREATE TABLE row (
        number INTEGER PRIMARY KEY,
        key TEXT NOT NULL UNIQUE,
        operation TEXT NOT NULL,
        request TEXT NOT NULL,
        state TEXT NOT NULL DEFAULT 'planned' CHECK (state IN ('planned', 'sending', 'accepted', 'finished', 'saved', 'failed', 'refunded', 'uncertain', 'refused')),
        task_id TEXT,
        attempts INTEGER NOT NULL DEFAULT 0,
        reason TEXT,
        sent_at REAL,
        accepted_at REAL,
        ended_at REAL,
        clips TEXT,
        files TEXT
    , refunds INTEGER NOT NULL DEFAULT 0, plan INTEGER NOT NULL DEFAULT 0, plan_before INTEGER NOT NULL DEFAULT 0);
INSERT INTO "row" VALUES(1,'4ca674c0371519b0435c7994-1','sonic.create','{"task_type":"create_music","custom_mode":true,"prompt":"[Verse]\nThe harbour sleeps\n\n[Chorus]\nOh rain","title":"Harbour","tags":"sea shanty","mv":"sonic-v6","use_suno_cdn":false}','saved','0a5d2f34-6baa-4455-a3e7-0682c2094cac',1,NULL,1.79580486814697504044e+09,1.79580486815026855464e+09,1.79580486816555571563e+09,'[{"clip_id":"eb1167b3-67a9-4378-bc65-c1e582e2e662","title":"Harbour","state":"succeeded","audio_url":"http://127.0.0.1:1/files/eb1167b3-67a9-4378-bc65-c1e582e2e662.wav","stream_url":null,"image_url":"http://127.0.0.1:1/files/eb1167b3-67a9-4378-bc65-c1e582e2e662.png","video_url":null,"lyrics":"[Verse]\nThe harbour sleeps\n\n[Chorus]\nOh rain","tags":"sea shanty","duration":6.0,"created_at":"2026-11-27T18:41:08.149000+00:00","model":"sonic-v6","error":null},{"clip_id":"f7c1bd87-4da5-4709-9471-3d60c8a70639","title":"Harbour","state":"succeeded","audio_url":"http://127.0.0.1:1/files/f7c1bd87-4da5-4709-9471-3d60c8a70639.wav","stream_url":null,"image_url":"http://127.0.0.1:1/files/f7c1bd87-4da5-4709-9471-3d60c8a70639.png","video_url":null,"lyrics":"[Verse]\nThe harbour sleeps\n\n[Chorus]\nOh rain","tags":"sea shanty","duration":6.0,"created_at":"2026-11-27T18:41:08.149000+00:00","model":"sonic-v6","error":null}]','[]',0,1,0);
INSERT INTO "row" VALUES(2,'89254863d457c2038bbc4515-1','sonic.describe','{"task_type":"create_music","custom_mode":false,"gpt_description_prompt":"rain","mv":"sonic-v6","use_suno_cdn":false}','refused',NULL,0,'POST /sonic/create: not now (status 400)',1.79580486816682529443e+09,NULL,1.79580486816928529738e+09,NULL,NULL,0,1,0);
INSERT INTO "row" VALUES(3,'28bee2eda736493fa30225c1-1','sonic.describe','{"task_type":"create_music","custom_mode":false,"gpt_description_prompt":"snow","style_weight":0.5,"mv":"sonic-v6","use_suno_cdn":false}','uncertain',NULL,0,'POST /sonic/create at 2026-11-27 18:41:08 UTC may have been accepted and charged: Server disconnected; it was not repeated. Compare your credits (client.look_into(error)) before you send it again',1.79580486817021417618e+09,NULL,1.7958048681727621555e+09,NULL,NULL,0,1,0);
INSERT INTO "row" VALUES(4,'087ef4f8b5cc787325f7853e-1','sonic.describe','{"task_type":"create_music","custom_mode":false,"gpt_description_prompt":"hail","mv":"sonic-v6","use_suno_cdn":false}','failed','9a164106-cf6a-459e-b486-2b21fb97d435',1,'the service gave up on sonic task 9a164106-cf6a-459e-b486-2b21fb97d435: The generation of this clip failed. (failed); failed tasks are refunded: check your credits',1.79580486817365121837e+09,1.79580486817586541174e+09,1.79580486821380662918e+09,NULL,NULL,0,1,0);
INSERT INTO "row" VALUES(5,'087ef4f8b5cc787325f7853e-2','sonic.describe','{"task_type":"create_music","custom_mode":false,"gpt_description_prompt":"hail","mv":"sonic-v6","use_suno_cdn":false}','accepted','50f24455-6f25-42a2-9a92-118719c78df4',1,NULL,1.79580486821566343309e+09,1.79580486821885323524e+09,NULL,NULL,NULL,0,1,0);
INSERT INTO "row" VALUES(6,'d1e86dc2470b15a6556a15ee-1','sonic.create','{"task_type":"create_music","custom_mode":true,"prompt":"[Verse]\nThe harbour sleeps\n\n[Chorus]\nOh rain","make_instrumental":false,"mv":"sonic-v6","use_suno_cdn":false}','planned',NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,0,1,0);
INSERT INTO "row" VALUES(7,'43cf40c047da5af306871438-1','sonic.extend','{"task_type":"extend_music","continue_clip_id":"c-1","continue_at":30.0,"prompt":"[Verse]\nThe harbour sleeps\n\n[Chorus]\nOh rain","mv":"sonic-v6","use_suno_cdn":false,"custom_mode":true}','planned',NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,0,1,0);
INSERT INTO "row" VALUES(8,'087ef4f8b5cc787325f7853e-3','sonic.describe','{"task_type":"create_music","custom_mode":false,"gpt_description_prompt":"hail","mv":"sonic-v6","use_suno_cdn":false}','planned',NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,0,1,0);
INSERT INTO "row" VALUES(9,'2bcbc2fd8b5f5ad29b82df63-1','riffusion.create','{"task_type":"create_music","custom_mode":true,"lyrics":"[Verse]\nThe harbour sleeps\n\n[Chorus]\nOh rain","sound":"folk","make_instrumental":false,"mv":"FUZZ-1.1 Pro"}','planned',NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,0,1,0);
INSERT INTO "row" VALUES(10,'7a21cf1ebc79d4d58a00f9ba-1','studio.extend','{"config":{"source":{"song_id":"c-2"},"mode":"continuation"},"prompt":"folk","prompt_strength":0.5,"clarity_strength":0.25,"lyrics_strength":0.5,"generation_quality":0.75,"model_type":"studio130-v1.5","lyrics_type":"instrumental"}','planned',NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,0,1,0);
INSERT INTO "row" VALUES(11,'84facdcbdea2f84df217bc6b-1','nuro.instrumental_v2','{"type":"bgm","version":"v2.0","description":"calm","segments":[{"name":"intro","duration":10},{"name":"verse","duration":20}]}','planned',NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,0,1,0);
CREATE INDEX row_by_state ON row (state, number);
COMMIT;
PRAGMA application_id = 1299542849;
PRAGMA user_version = 2;
