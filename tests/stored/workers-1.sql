
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

CREATE TYPE public.aps_pgqueuer_status AS ENUM (
    'queued',
    'picked',
    'successful',
    'exception',
    'canceled',
    'deleted',
    'failed'
);

CREATE FUNCTION public.aps_fn_pgqueuer_changed() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    to_emit BOOLEAN := false;  -- Flag to decide whether to emit a notification
BEGIN
    -- Check operation type and set the emit flag accordingly
    IF TG_OP = 'UPDATE' AND OLD IS DISTINCT FROM NEW THEN
        to_emit := true;
    ELSIF TG_OP = 'DELETE' THEN
        to_emit := true;
    ELSIF TG_OP = 'INSERT' THEN
        to_emit := true;
    ELSIF TG_OP = 'TRUNCATE' THEN
        to_emit := true;
    END IF;

    -- Perform notification if the emit flag is set
    IF to_emit THEN
        PERFORM pg_notify(
            'aps_ch_pgqueuer',
            json_build_object(
                'channel', 'aps_ch_pgqueuer',
                'operation', lower(TG_OP),
                'sent_at', NOW(),
                'table', TG_TABLE_NAME,
                'type', 'table_changed_event'
            )::text
        );
    END IF;

    -- Return appropriate value based on the operation
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        RETURN NEW;
    ELSIF TG_OP = 'DELETE' THEN
        RETURN OLD;
    ELSE
        RETURN NULL; -- For TRUNCATE and other non-row-specific contexts
    END IF;

END;
$$;

CREATE FUNCTION public.aps_take(whose text, which text, budget integer, length double precision, lease double precision, wanted integer, spent bigint[], ages double precision[], unused bigint[], pause double precision, new_window boolean, accepted boolean) RETURNS TABLE(places bigint[], wait double precision, refused integer)
    LANGUAGE plpgsql
    AS $$
DECLARE
    q aps_quota;
    t timestamptz;
    room int;
    under_way int;
BEGIN
    SELECT * INTO q FROM aps_quota WHERE owner = whose AND endpoint = which FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO aps_quota (owner, endpoint) VALUES (whose, which) ON CONFLICT DO NOTHING;
        SELECT * INTO q FROM aps_quota WHERE owner = whose AND endpoint = which FOR UPDATE;
    END IF;
    t := clock_timestamp();
    DELETE FROM aps_place WHERE quota = q.id AND id = ANY (unused);
    INSERT INTO aps_place (quota, id, under_way_until, counts_until)
        SELECT q.id, s.id, '-infinity', t + make_interval(secs => length - s.age)
        FROM unnest(spent, ages) AS s (id, age)
        ON CONFLICT (quota, id) DO UPDATE SET under_way_until = '-infinity', counts_until = EXCLUDED.counts_until;
    IF pause IS NOT NULL THEN
        UPDATE aps_quota SET resumes = greatest(resumes, t + make_interval(secs => pause)), refusals = refusals + 1
            WHERE id = q.id RETURNING * INTO q;
        IF new_window THEN  -- what was spent before Retry-After ends no longer counts
            DELETE FROM aps_place WHERE quota = q.id AND under_way_until <= t;
        END IF;
    ELSIF accepted AND q.refusals > 0 AND t >= q.resumes THEN
        UPDATE aps_quota SET refusals = 0 WHERE id = q.id RETURNING * INTO q;
    END IF;
    DELETE FROM aps_place WHERE quota = q.id AND counts_until <= t;
    places := '{}';
    refused := q.refusals;
    IF t < q.resumes THEN
        wait := extract(epoch FROM q.resumes - t);
        RETURN NEXT;
        RETURN;
    END IF;
    SELECT budget - count(*), count(*) FILTER (WHERE under_way_until > t), extract(epoch FROM min(counts_until) - t)
        INTO room, under_way, wait FROM aps_place WHERE quota = q.id;
    IF q.refusals > 0 THEN  -- one goes ahead, the rest follow once it is through
        room := least(room, 1 - under_way);
        wait := least(wait, length / 20);
    END IF;
    IF least(room, wanted) > 0 THEN
        WITH taken AS (
            INSERT INTO aps_place (quota, under_way_until, counts_until)
            SELECT q.id, t + make_interval(secs => lease), t + make_interval(secs => lease + length)
            FROM generate_series(1, least(room, wanted)) RETURNING id
        ) SELECT array_agg(id) INTO places FROM taken;
    END IF;
    wait := greatest(coalesce(wait, 0), 0);
    RETURN NEXT;
END $$;

SET default_tablespace = '';

SET default_table_access_method = heap;

CREATE TABLE public.aps_export (
    id bigint NOT NULL,
    run bigint NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    request text NOT NULL,
    state text DEFAULT 'waiting'::text NOT NULL,
    export_id text,
    started timestamp with time zone,
    tries integer DEFAULT 0 NOT NULL,
    turns integer DEFAULT 0 NOT NULL,
    polls integer DEFAULT 0 NOT NULL,
    finished timestamp with time zone,
    place text,
    size bigint,
    sha256 text,
    lacks text,
    error text,
    CONSTRAINT aps_export_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'running'::text, 'done'::text, 'failed'::text, 'cancelled'::text])))
)
WITH (fillfactor='80');

ALTER TABLE public.aps_export ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.aps_export_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.aps_pgqueuer (
    id bigint NOT NULL,
    priority integer NOT NULL,
    queue_manager_id uuid,
    created timestamp with time zone DEFAULT now() NOT NULL,
    updated timestamp with time zone DEFAULT now() NOT NULL,
    heartbeat timestamp with time zone DEFAULT now() NOT NULL,
    execute_after timestamp with time zone DEFAULT now() NOT NULL,
    status public.aps_pgqueuer_status NOT NULL,
    entrypoint text NOT NULL,
    dedupe_key text,
    payload bytea,
    headers jsonb,
    attempts integer DEFAULT 0 NOT NULL,
    slot bigint
)
WITH (autovacuum_vacuum_scale_factor='0.01', autovacuum_vacuum_threshold='1000', autovacuum_analyze_scale_factor='0.02', autovacuum_analyze_threshold='500', autovacuum_vacuum_cost_limit='10000', autovacuum_vacuum_cost_delay='0', fillfactor='70');

CREATE SEQUENCE public.aps_pgqueuer_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.aps_pgqueuer_id_seq OWNED BY public.aps_pgqueuer.id;

CREATE UNLOGGED TABLE public.aps_pgqueuer_log (
    id bigint NOT NULL,
    created timestamp with time zone DEFAULT now() NOT NULL,
    job_id bigint NOT NULL,
    status public.aps_pgqueuer_status NOT NULL,
    priority integer NOT NULL,
    entrypoint text NOT NULL,
    traceback jsonb,
    aggregated boolean DEFAULT false
)
WITH (autovacuum_vacuum_scale_factor='0.95', autovacuum_vacuum_threshold='1000000', autovacuum_analyze_scale_factor='0.05', autovacuum_analyze_threshold='10000');

ALTER TABLE public.aps_pgqueuer_log ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.aps_pgqueuer_log_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.aps_pgqueuer_schedules (
    id bigint NOT NULL,
    expression text NOT NULL,
    entrypoint text NOT NULL,
    heartbeat timestamp with time zone DEFAULT now() NOT NULL,
    created timestamp with time zone DEFAULT now() NOT NULL,
    updated timestamp with time zone DEFAULT now() NOT NULL,
    next_run timestamp with time zone DEFAULT now() NOT NULL,
    last_run timestamp with time zone,
    status public.aps_pgqueuer_status DEFAULT 'queued'::public.aps_pgqueuer_status
)
WITH (autovacuum_vacuum_scale_factor='0.01', autovacuum_vacuum_threshold='1000', autovacuum_analyze_scale_factor='0.02', autovacuum_analyze_threshold='500', autovacuum_vacuum_cost_limit='10000', autovacuum_vacuum_cost_delay='0', fillfactor='70');

CREATE SEQUENCE public.aps_pgqueuer_schedules_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.aps_pgqueuer_schedules_id_seq OWNED BY public.aps_pgqueuer_schedules.id;

CREATE UNLOGGED TABLE public.aps_pgqueuer_statistics (
    id bigint NOT NULL,
    created timestamp with time zone DEFAULT date_trunc('sec'::text, now()) NOT NULL,
    count bigint NOT NULL,
    priority integer NOT NULL,
    status public.aps_pgqueuer_status NOT NULL,
    entrypoint text NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0.95', autovacuum_vacuum_threshold='1000000', autovacuum_analyze_scale_factor='0.05', autovacuum_analyze_threshold='10000');

CREATE UNLOGGED SEQUENCE public.aps_pgqueuer_statistics_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.aps_pgqueuer_statistics_id_seq OWNED BY public.aps_pgqueuer_statistics.id;

CREATE TABLE public.aps_place (
    quota integer NOT NULL,
    id bigint NOT NULL,
    under_way_until timestamp with time zone NOT NULL,
    counts_until timestamp with time zone NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0.0', autovacuum_vacuum_threshold='5000');

ALTER TABLE public.aps_place ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.aps_place_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.aps_quota (
    id integer NOT NULL,
    owner text NOT NULL,
    endpoint text NOT NULL,
    resumes timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    refusals integer DEFAULT 0 NOT NULL
);

ALTER TABLE public.aps_quota ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.aps_quota_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.aps_run (
    id bigint NOT NULL,
    name text NOT NULL,
    priority integer NOT NULL,
    created timestamp with time zone DEFAULT now() NOT NULL,
    cancelled timestamp with time zone
);

ALTER TABLE public.aps_run ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.aps_run_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.aps_schema (
    version integer NOT NULL
);

ALTER TABLE ONLY public.aps_pgqueuer ALTER COLUMN id SET DEFAULT nextval('public.aps_pgqueuer_id_seq'::regclass);

ALTER TABLE ONLY public.aps_pgqueuer_schedules ALTER COLUMN id SET DEFAULT nextval('public.aps_pgqueuer_schedules_id_seq'::regclass);

ALTER TABLE ONLY public.aps_pgqueuer_statistics ALTER COLUMN id SET DEFAULT nextval('public.aps_pgqueuer_statistics_id_seq'::regclass);

INSERT INTO public.aps_export OVERRIDING SYSTEM VALUE VALUES (4, 1, 'S-1', 'acc-sheets', '{"kind":"acc-sheets","projectId":"5c0a2f9e-1b7d-4e83-a6c4-9d2e7f0b3a18","subjects":["0d6ee1d1-8a7f-4f5e-9b52-3a3f0a9ce001"],"userId":"BW9RM76WZBGL","name":"S-1"}', 'waiting', NULL, NULL, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.aps_export OVERRIDING SYSTEM VALUE VALUES (5, 1, 'Budget 18d97ae0-9484-11e8-a7ec-7ddae203e404', 'cost', '{"kind":"cost","projectId":"5c0a2f9e-1b7d-4e83-a6c4-9d2e7f0b3a18","subjects":["18d97ae0-9484-11e8-a7ec-7ddae203e404"],"name":"Budget 18d97ae0-9484-11e8-a7ec-7ddae203e404","cost":{"containerId":"5c0a2f9e-1b7d-4e83-a6c4-9d2e7f0b3a18","associationType":"Budget","templateId":"7b1e6c52-7a0e-4c0e-8f0e-0a5a3b3f6f10"}}', 'waiting', NULL, NULL, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.aps_export OVERRIDING SYSTEM VALUE VALUES (2, 1, 'A-102 - Plan', 'bim360', '{"kind":"bim360","projectId":"5c0a2f9e-1b7d-4e83-a6c4-9d2e7f0b3a18","subjects":["urn:adsk.wipprod:fs.file:vf.0000000000000000000001?version=1"],"name":"A-102 - Plan"}', 'running', '345eb2fb-d5b0-44c9-a50a-2c792d830001', '2026-11-25 15:55:55.355843+00', 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.aps_export OVERRIDING SYSTEM VALUE VALUES (1, 1, 'A-101 - Plan', 'bim360', '{"kind":"bim360","projectId":"5c0a2f9e-1b7d-4e83-a6c4-9d2e7f0b3a18","subjects":["urn:adsk.wipprod:fs.file:vf.0000000000000000000000?version=1"],"options":{"markups":true},"name":"A-101 - Plan"}', 'done', '345eb2fb-d5b0-44c9-a50a-2c792d830000', '2026-11-25 15:55:55.353528+00', 0, 1, 3, '2026-11-25 15:55:55.35861+00', '/plans/clinic/A-101 - Plan.pdf', 2048, 'abababababababababababababababababababababababababababababababab', NULL, NULL);
INSERT INTO public.aps_export OVERRIDING SYSTEM VALUE VALUES (3, 1, 'Tower files', 'acc-files', '{"kind":"acc-files","projectId":"5c0a2f9e-1b7d-4e83-a6c4-9d2e7f0b3a18","subjects":["urn:adsk.wipprod:fs.file:vf.0000000000000000000000?version=1","urn:adsk.wipprod:fs.file:vf.0000000000000000000001?version=1"],"userId":"BW9RM76WZBGL","name":"Tower files","allowPartial":false}', 'failed', NULL, NULL, 0, 0, 0, '2026-11-25 15:55:55.359491+00', NULL, NULL, NULL, NULL, '{"type":"NotAllowedError","message":"POST /x: 403 no","status":403,"method":"POST","path":"/x"}');

INSERT INTO public.aps_pgqueuer VALUES (1, 2, NULL, '2026-11-25 15:55:55.337221+00', '2026-11-25 15:55:55.337221+00', '2026-11-25 15:55:55.337221+00', '2026-11-25 15:55:55.337221+00', 'queued', 'start', 'start:1', '\x31', 'null', 0, NULL);
INSERT INTO public.aps_pgqueuer VALUES (2, 2, NULL, '2026-11-25 15:55:55.337221+00', '2026-11-25 15:55:55.337221+00', '2026-11-25 15:55:55.337221+00', '2026-11-25 15:55:55.337221+00', 'queued', 'start', 'start:2', '\x32', 'null', 0, NULL);
INSERT INTO public.aps_pgqueuer VALUES (3, 2, NULL, '2026-11-25 15:55:55.337221+00', '2026-11-25 15:55:55.337221+00', '2026-11-25 15:55:55.337221+00', '2026-11-25 15:55:55.337221+00', 'queued', 'start', 'start:3', '\x33', 'null', 0, NULL);
INSERT INTO public.aps_pgqueuer VALUES (4, 2, NULL, '2026-11-25 15:55:55.337221+00', '2026-11-25 15:55:55.337221+00', '2026-11-25 15:55:55.337221+00', '2026-11-25 15:55:55.337221+00', 'queued', 'start', 'start:4', '\x34', 'null', 0, NULL);
INSERT INTO public.aps_pgqueuer VALUES (5, 2, NULL, '2026-11-25 15:55:55.337221+00', '2026-11-25 15:55:55.337221+00', '2026-11-25 15:55:55.337221+00', '2026-11-25 15:55:55.337221+00', 'queued', 'start', 'start:5', '\x35', 'null', 0, NULL);
INSERT INTO public.aps_pgqueuer VALUES (6, 2, NULL, '2026-11-25 15:55:55.353222+00', '2026-11-25 15:55:55.353222+00', '2026-11-25 15:55:55.353222+00', '2026-11-25 15:55:55.353222+00', 'queued', 'fetch', 'fetch:1', '\x31', 'null', 0, NULL);
INSERT INTO public.aps_pgqueuer VALUES (7, 2, NULL, '2026-11-25 15:55:55.355694+00', '2026-11-25 15:55:55.355694+00', '2026-11-25 15:55:55.355694+00', '2026-11-25 15:55:55.355694+00', 'queued', 'fetch', 'fetch:2', '\x32', 'null', 0, NULL);

INSERT INTO public.aps_pgqueuer_log VALUES (1, '2026-11-25 15:55:55.337221+00', 1, 'queued', 2, 'start', NULL, false);
INSERT INTO public.aps_pgqueuer_log VALUES (2, '2026-11-25 15:55:55.337221+00', 2, 'queued', 2, 'start', NULL, false);
INSERT INTO public.aps_pgqueuer_log VALUES (3, '2026-11-25 15:55:55.337221+00', 3, 'queued', 2, 'start', NULL, false);
INSERT INTO public.aps_pgqueuer_log VALUES (4, '2026-11-25 15:55:55.337221+00', 4, 'queued', 2, 'start', NULL, false);
INSERT INTO public.aps_pgqueuer_log VALUES (5, '2026-11-25 15:55:55.337221+00', 5, 'queued', 2, 'start', NULL, false);
INSERT INTO public.aps_pgqueuer_log VALUES (6, '2026-11-25 15:55:55.353222+00', 6, 'queued', 2, 'fetch', NULL, false);
INSERT INTO public.aps_pgqueuer_log VALUES (7, '2026-11-25 15:55:55.355694+00', 7, 'queued', 2, 'fetch', NULL, false);

INSERT INTO public.aps_run OVERRIDING SYSTEM VALUE VALUES (1, 'clinic', 2, '2026-11-25 15:55:55.336085+00', NULL);

INSERT INTO public.aps_schema VALUES (1);

SELECT pg_catalog.setval('public.aps_export_id_seq', 5, true);

SELECT pg_catalog.setval('public.aps_pgqueuer_id_seq', 7, true);

SELECT pg_catalog.setval('public.aps_pgqueuer_log_id_seq', 7, true);

SELECT pg_catalog.setval('public.aps_pgqueuer_schedules_id_seq', 1, false);

SELECT pg_catalog.setval('public.aps_pgqueuer_statistics_id_seq', 1, false);

SELECT pg_catalog.setval('public.aps_place_id_seq', 1, false);

SELECT pg_catalog.setval('public.aps_quota_id_seq', 1, false);

SELECT pg_catalog.setval('public.aps_run_id_seq', 1, true);

ALTER TABLE ONLY public.aps_export
    ADD CONSTRAINT aps_export_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.aps_export
    ADD CONSTRAINT aps_export_run_name_key UNIQUE (run, name);

ALTER TABLE ONLY public.aps_pgqueuer_log
    ADD CONSTRAINT aps_pgqueuer_log_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.aps_pgqueuer
    ADD CONSTRAINT aps_pgqueuer_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.aps_pgqueuer_schedules
    ADD CONSTRAINT aps_pgqueuer_schedules_expression_entrypoint_key UNIQUE (expression, entrypoint);

ALTER TABLE ONLY public.aps_pgqueuer_schedules
    ADD CONSTRAINT aps_pgqueuer_schedules_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.aps_pgqueuer_statistics
    ADD CONSTRAINT aps_pgqueuer_statistics_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.aps_place
    ADD CONSTRAINT aps_place_pkey PRIMARY KEY (quota, id);

ALTER TABLE ONLY public.aps_quota
    ADD CONSTRAINT aps_quota_owner_endpoint_key UNIQUE (owner, endpoint);

ALTER TABLE ONLY public.aps_quota
    ADD CONSTRAINT aps_quota_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.aps_run
    ADD CONSTRAINT aps_run_name_key UNIQUE (name);

ALTER TABLE ONLY public.aps_run
    ADD CONSTRAINT aps_run_pkey PRIMARY KEY (id);

CREATE INDEX aps_export_failed ON public.aps_export USING btree (run, id) WHERE (state = 'failed'::text);

CREATE INDEX aps_export_open ON public.aps_export USING btree (state, kind) WHERE (state = ANY (ARRAY['waiting'::text, 'running'::text]));

CREATE INDEX aps_pgqueuer_ep_ea_idx ON public.aps_pgqueuer USING btree (entrypoint, execute_after) WHERE (status = 'queued'::public.aps_pgqueuer_status);

CREATE INDEX aps_pgqueuer_ep_prio_id_idx ON public.aps_pgqueuer USING btree (entrypoint, priority DESC, id) WHERE (status = 'queued'::public.aps_pgqueuer_status);

CREATE INDEX aps_pgqueuer_log_created ON public.aps_pgqueuer_log USING btree (created);

CREATE INDEX aps_pgqueuer_log_job_id_status ON public.aps_pgqueuer_log USING btree (job_id, created DESC);

CREATE INDEX aps_pgqueuer_log_not_aggregated ON public.aps_pgqueuer_log USING btree ((1)) WHERE (NOT aggregated);

CREATE INDEX aps_pgqueuer_log_status ON public.aps_pgqueuer_log USING btree (status);

CREATE INDEX aps_pgqueuer_picked_heartbeat_idx ON public.aps_pgqueuer USING btree (heartbeat) WHERE (status = 'picked'::public.aps_pgqueuer_status);

CREATE UNIQUE INDEX aps_pgqueuer_picked_slot_idx ON public.aps_pgqueuer USING btree (entrypoint, slot) WHERE ((status = 'picked'::public.aps_pgqueuer_status) AND (slot IS NOT NULL));

CREATE INDEX aps_pgqueuer_priority_id_id1_idx ON public.aps_pgqueuer USING btree (priority, id DESC) INCLUDE (id) WHERE (status = 'queued'::public.aps_pgqueuer_status);

CREATE INDEX aps_pgqueuer_queue_manager_id_idx ON public.aps_pgqueuer USING btree (queue_manager_id) WHERE (queue_manager_id IS NOT NULL);

CREATE UNIQUE INDEX aps_pgqueuer_statistics_unique_count ON public.aps_pgqueuer_statistics USING btree (priority, date_trunc('sec'::text, timezone('UTC'::text, created)), status, entrypoint);

CREATE UNIQUE INDEX aps_pgqueuer_unique_dedupe_key ON public.aps_pgqueuer USING btree (dedupe_key) WHERE ((status = ANY (ARRAY['queued'::public.aps_pgqueuer_status, 'picked'::public.aps_pgqueuer_status])) AND (dedupe_key IS NOT NULL));

CREATE INDEX aps_pgqueuer_updated_id_id1_idx ON public.aps_pgqueuer USING btree (updated, id DESC) INCLUDE (id) WHERE (status = 'picked'::public.aps_pgqueuer_status);

CREATE TRIGGER aps_tg_pgqueuer_changed AFTER INSERT OR DELETE OR UPDATE OR TRUNCATE ON public.aps_pgqueuer FOR EACH STATEMENT EXECUTE FUNCTION public.aps_fn_pgqueuer_changed();

ALTER TABLE ONLY public.aps_export
    ADD CONSTRAINT aps_export_run_fkey FOREIGN KEY (run) REFERENCES public.aps_run(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.aps_place
    ADD CONSTRAINT aps_place_quota_fkey FOREIGN KEY (quota) REFERENCES public.aps_quota(id) ON DELETE CASCADE;

