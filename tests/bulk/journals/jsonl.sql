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
INSERT INTO "row" VALUES(1,'5bff63c2cf34e9e82ed36e7c-1','sonic.create','{"task_type":"create_music","custom_mode":true,"prompt":"[Verse]\nThe harbour sleeps\n\n[Chorus]\nOh rain","title":"Harbour","tags":"sea shanty","mv":"sonic-v6","use_suno_cdn":false}','saved','0a5d2f34-6baa-4455-a3e7-0682c2094cac',1,NULL,1.79580486691663432125e+09,1.7958048669210562706e+09,1.79580486693626666071e+09,'[{"clip_id":"eb1167b3-67a9-4378-bc65-c1e582e2e662","title":"Harbour","state":"succeeded","audio_url":"http://127.0.0.1:1/files/eb1167b3-67a9-4378-bc65-c1e582e2e662.wav","stream_url":null,"image_url":"http://127.0.0.1:1/files/eb1167b3-67a9-4378-bc65-c1e582e2e662.png","video_url":null,"lyrics":"[Verse]\nThe harbour sleeps\n\n[Chorus]\nOh rain","tags":"sea shanty","duration":6.0,"created_at":"2026-11-27T18:41:06.919000+00:00","model":"sonic-v6","error":null},{"clip_id":"f7c1bd87-4da5-4709-9471-3d60c8a70639","title":"Harbour","state":"succeeded","audio_url":"http://127.0.0.1:1/files/f7c1bd87-4da5-4709-9471-3d60c8a70639.wav","stream_url":null,"image_url":"http://127.0.0.1:1/files/f7c1bd87-4da5-4709-9471-3d60c8a70639.png","video_url":null,"lyrics":"[Verse]\nThe harbour sleeps\n\n[Chorus]\nOh rain","tags":"sea shanty","duration":6.0,"created_at":"2026-11-27T18:41:06.919000+00:00","model":"sonic-v6","error":null}]','[]',0,1,0);
INSERT INTO "row" VALUES(2,'53310e8f7e6b3a2fc5e0d745-1','sonic.describe','{"task_type":"create_music","custom_mode":false,"gpt_description_prompt":"rain","mv":"sonic-v6","use_suno_cdn":false}','refused',NULL,0,'POST /sonic/create: not now (status 400)',1.7958048669375281334e+09,NULL,1.79580486694003605839e+09,NULL,NULL,0,1,0);
INSERT INTO "row" VALUES(3,'ea21fa8d77ebf6badd5770c3-1','sonic.describe','{"task_type":"create_music","custom_mode":false,"gpt_description_prompt":"snow","style_weight":0.5,"mv":"sonic-v6","use_suno_cdn":false}','uncertain',NULL,0,'POST /sonic/create at 2026-11-27 18:41:06 UTC may have been accepted and charged: Server disconnected; it was not repeated. Compare your credits (client.look_into(error)) before you send it again',1.79580486694101190562e+09,NULL,1.79580486694376444817e+09,NULL,NULL,0,1,0);
INSERT INTO "row" VALUES(4,'e25b31d6e309bb318deb232d-1','sonic.describe','{"task_type":"create_music","custom_mode":false,"gpt_description_prompt":"hail","mv":"sonic-v6","use_suno_cdn":false}','failed','9a164106-cf6a-459e-b486-2b21fb97d435',1,'the service gave up on sonic task 9a164106-cf6a-459e-b486-2b21fb97d435: The generation of this clip failed. (failed); failed tasks are refunded: check your credits',1.79580486694474530224e+09,1.79580486695174670226e+09,1.79580486699419713016e+09,NULL,NULL,0,1,0);
INSERT INTO "row" VALUES(5,'e25b31d6e309bb318deb232d-2','sonic.describe','{"task_type":"create_music","custom_mode":false,"gpt_description_prompt":"hail","mv":"sonic-v6","use_suno_cdn":false}','accepted','50f24455-6f25-42a2-9a92-118719c78df4',1,NULL,1.79580486699704217914e+09,1.79580486700146198277e+09,NULL,NULL,NULL,0,1,0);
INSERT INTO "row" VALUES(6,'432122f336cef9a449947d22-1','sonic.create','{"task_type":"create_music","custom_mode":true,"prompt":"[Verse]\nThe harbour sleeps\n\n[Chorus]\nOh rain","make_instrumental":false,"mv":"sonic-v6","use_suno_cdn":false}','planned',NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,0,1,0);
INSERT INTO "row" VALUES(7,'7f9989013015ad4caa519310-1','sonic.extend','{"task_type":"extend_music","continue_clip_id":"c-1","continue_at":30.0,"prompt":"[Verse]\nThe harbour sleeps\n\n[Chorus]\nOh rain","mv":"sonic-v6","use_suno_cdn":false,"custom_mode":true}','planned',NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,0,1,0);
INSERT INTO "row" VALUES(8,'e25b31d6e309bb318deb232d-3','sonic.describe','{"task_type":"create_music","custom_mode":false,"gpt_description_prompt":"hail","mv":"sonic-v6","use_suno_cdn":false}','planned',NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,0,1,0);
INSERT INTO "row" VALUES(9,'ddbe957fc6b2f36364541cc3-1','riffusion.create','{"task_type":"create_music","custom_mode":true,"lyrics":"[Verse]\nThe harbour sleeps\n\n[Chorus]\nOh rain","sound":"folk","make_instrumental":false,"mv":"FUZZ-1.1 Pro"}','planned',NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,0,1,0);
INSERT INTO "row" VALUES(10,'5a480a5da1d05a48e5a46461-1','studio.extend','{"config":{"source":{"song_id":"c-2"},"mode":"continuation"},"prompt":"folk","prompt_strength":0.5,"clarity_strength":0.25,"lyrics_strength":0.5,"generation_quality":0.75,"model_type":"studio130-v1.5","lyrics_type":"instrumental"}','planned',NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,0,1,0);
INSERT INTO "row" VALUES(11,'fb261e423a7216da066fac17-1','nuro.instrumental_v2','{"type":"bgm","version":"v2.0","description":"calm","segments":[{"name":"intro","duration":10},{"name":"verse","duration":20}]}','planned',NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,0,1,0);
CREATE INDEX row_by_state ON row (state, number);
COMMIT;
PRAGMA application_id = 1299542849;
PRAGMA user_version = 2;
