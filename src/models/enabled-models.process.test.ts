// A real PostgreSQL, as Debian packages it. Where none is installed this is said aloud and skipped.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createPostgres, findPostgres, type Postgres } from '../../compat-tests/postgres.ts';
import { FakeClock } from '../lib/clock.ts';
import { silentLog } from '../lib/log.ts';
import { createEnabledModels, type EnabledModels } from './enabled-models.ts';
import { modelsSettings } from './settings.ts';

const programs = await findPostgres();
if (!programs) {
  console.warn('\n  The table of models was NOT tested: there is no PostgreSQL. Run: apt-get install postgresql');
}

describe.runIf(programs)('the table of models', () => {
  let postgres: Postgres;
  let clock: FakeClock;
  let enabled: EnabledModels;
  beforeAll(async () => {
    postgres = await createPostgres(programs ?? '');
    await postgres.start();
    open(postgres.url);
  });
  afterEach(() =>
    postgres.run('drop schema public cascade; create schema public; drop schema if exists other cascade'),
  );
  afterAll(async () => {
    await enabled?.close();
    await postgres?.remove();
  });

  function open(url: string): void {
    clock = new FakeClock();
    enabled = createEnabledModels(modelsSettings.parse({ MODELS_DATABASE_URL: url }), clock, silentLog);
  }

  async function namesAfter(statements: string): Promise<string[] | null> {
    await postgres.run(statements);
    await clock.advance(5000);
    return enabled.names();
  }

  test('names what its settings enable, of whisper alone', async () => {
    expect(
      await namesAfter(`
        create table whisper_models (id_model int primary key, name text, source text);
        create table model_settings (id_model int, enabled boolean);
        insert into whisper_models values (1, 'tiny', 'whisper'), (2, 'base', 'whisper'), (3, 'other', 'gigaam'),
          (4, 'large-v3', 'whisper'), (5, 'medium', 'whisper');
        insert into model_settings values (1, true), (2, false), (3, true), (4, null), (2, true), (9, true)`),
    ).toEqual(['base', 'large-v3', 'tiny']);
  });

  test.each([
    [
      'model_id, and numbers for flags',
      `create table whisper_models (model_id bigint, model_name varchar(80));
       create table model_settings (model_id text, is_enabled int);
       insert into whisper_models values (1, 'tiny'), (2, 'base'); insert into model_settings values ('1', 1), ('2', 0)`,
    ],
    [
      'one key in each',
      `create table whisper_models (id_model uuid default gen_random_uuid(), model text);
       create table model_settings (model_id uuid, active text);
       insert into whisper_models (model) values ('tiny'), ('base');
       insert into model_settings select id_model, case model when 'tiny' then 'yes' else 'no' end from whisper_models`,
    ],
    [
      'the flag beside the name',
      `create table whisper_models (id serial, "Name" text, "Enabled" boolean);
       insert into whisper_models ("Name", "Enabled") values ('tiny', true), ('base', false)`,
    ],
    [
      'no flag at all',
      `create table whisper_models (name text); create table model_settings (id_model int, beam_size int);
       insert into whisper_models values ('tiny')`,
    ],
    [
      'a schema that is searched first, another of the same names behind it',
      `create schema other; create table other.whisper_models (title text); create table other.model_settings (x int);
       create table whisper_models (name text); insert into whisper_models values ('tiny')`,
    ],
    [
      'a view',
      `create table kept (n text, e boolean); insert into kept values ('tiny', true), ('base', false);
       create view whisper_models as select n as name, e as enabled from kept`,
    ],
  ])('may have %s', async (_what, statements) => {
    expect(await namesAfter(statements)).toEqual(['tiny']);
  });

  test('may be empty: then nothing is enabled', async () => {
    expect(await namesAfter('create table whisper_models (name text)')).toEqual([]);
  });

  test('may be missing, and come later', async () => {
    await clock.advance(5000);
    await expect(enabled.names()).rejects.toMatchObject({ code: 'model-not-ready' });
    expect(
      await namesAfter("create table whisper_models (name text); insert into whisper_models values ('tiny')"),
    ).toEqual(['tiny']);
  });

  test('is read again by itself after the database was gone', async () => {
    const statements = "create table whisper_models (name text); insert into whisper_models values ('tiny')";
    expect(await namesAfter(statements)).toEqual(['tiny']);
    await postgres.stop();
    await clock.advance(5000);
    for (const _ of [1, 2]) {
      await expect(enabled.names()).rejects.toMatchObject({ code: 'model-not-ready', status: 503 });
    }
    await postgres.start();
    expect(await enabled.names()).toEqual(['tiny']);
  });

  test('that is locked is given up after three seconds', async () => {
    await postgres.run('create table whisper_models (name text)');
    const lock = postgres.run('begin; lock table whisper_models in access exclusive mode; select pg_sleep(6); commit');
    const ask = async () => {
      await clock.advance(5000);
      const beginMs = performance.now();
      const thrown = await enabled.names().catch((error: unknown) => error);
      return [performance.now() - beginMs > 2500, (thrown as { code?: string }).code];
    };
    // At first the lock may not be taken yet.
    await expect.poll(ask, { timeout: 10_000 }).toEqual([true, 'model-not-ready']);
    await lock;
    expect(await enabled.names()).toEqual([]);
  });

  test('that nobody serves is given up at once, and closing waits for nothing', async () => {
    const nowhere = createEnabledModels(
      modelsSettings.parse({ MODELS_DATABASE_URL: 'postgresql://whisper@127.0.0.1:1/none' }),
      clock,
      silentLog,
    );
    await expect(nowhere.names()).rejects.toMatchObject({ code: 'model-not-ready' });
    await nowhere.close();
  });
});
