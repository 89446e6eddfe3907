// Reads which models are enabled from the two tables that a whisper-cuda service has in PostgreSQL. Its installations differ
// in what the columns are called, so they are looked up first. Knows SQL and no connection.
import { GatewayError } from '../errors.ts';

/** Runs one statement and answers its rows. */
export type Ask = (statement: string, values?: unknown[]) => Promise<Record<string, unknown>[]>;

const NAME_COLUMNS = ['name', 'model_name', 'model'];
const KEY_COLUMNS = ['id_model', 'model_id'];
const FLAG_COLUMNS = ['enabled', 'is_enabled', 'active'];
/** Services that keep models of other kinds in the same table tell them apart by it. */
const SOURCE_COLUMN = 'source';
const OWN_SOURCE = 'whisper';
const ROWS_MAX = 1000;
const TRUE_TEXTS = ['true', 't', '1', 'yes', 'y', 'on'];

// Both tables as an unqualified name finds them, columns in the spelling that quoting needs.
const COLUMNS_STATEMENT = `
  select table_name, column_name from information_schema.columns
  where table_name in ('whisper_models', 'model_settings') and table_schema = (
    select table_schema from information_schema.tables same_name
    where same_name.table_name = columns.table_name and table_schema::name = any (current_schemas(false))
    order by array_position(current_schemas(false), table_schema::name) limit 1)`;

/** In the order of the alphabet, each once. */
export async function readEnabledModels(ask: Ask): Promise<string[]> {
  const rows = await ask(enabledStatement(tablesOf(await ask(COLUMNS_STATEMENT))), [ROWS_MAX]);
  const enabled = rows.filter(
    (row) => isTrue(row.model_flag) && row.has_settings !== false && isTrue(row.settings_flag),
  );
  return [...new Set(enabled.map((row) => String(row.name ?? '').trim()))].filter((name) => name !== '').sort();
}

interface Columns {
  name: string | undefined;
  key: string | undefined;
  flag: string | undefined;
  source: string | undefined;
}

function tablesOf(rows: Record<string, unknown>[]): { models: Columns; settings: Columns } {
  const columnsOf = (table: string): Columns => {
    const columns = rows.filter((row) => row.table_name === table).map((row) => String(row.column_name));
    const find = (names: string[]) =>
      names
        .map((name) => columns.find((column) => column.toLowerCase() === name))
        .find((column) => column !== undefined);
    return {
      name: find(NAME_COLUMNS),
      key: find([...KEY_COLUMNS, ...(table === 'whisper_models' ? ['id'] : [])]),
      flag: find(FLAG_COLUMNS),
      source: find([SOURCE_COLUMN]),
    };
  };
  return { models: columnsOf('whisper_models'), settings: columnsOf('model_settings') };
}

// 1. A flag of the settings counts, and then a model without settings is not enabled. 2. So does one of the models
// themselves. 3. What has no flag at all is enabled.
function enabledStatement({ models, settings }: { models: Columns; settings: Columns }): string {
  if (!models.name) {
    throw unreadable(`There is no table 'whisper_models' with a column ${NAME_COLUMNS.join(', ')}.`);
  }
  const column = (table: string, name: string | undefined) => (name ? `${table}.${quoted(name)}::text` : 'null');
  if (settings.flag && !(models.key && settings.key)) {
    throw unreadable(`The tables 'whisper_models' and 'model_settings' have no columns ${KEY_COLUMNS.join(' or ')}.`);
  }
  return [
    `select ${column('models', models.name)} as name, ${column('models', models.flag)} as model_flag,`,
    settings.flag
      ? `${column('settings', settings.key)} is not null as has_settings, ${column('settings', settings.flag)} as settings_flag`
      : 'null as has_settings, null as settings_flag',
    'from whisper_models models',
    ...(settings.flag
      ? [`left join model_settings settings on ${column('settings', settings.key)} = ${column('models', models.key)}`]
      : []),
    ...(models.source ? [`where ${column('models', models.source)} = '${OWN_SOURCE}'`] : []),
    'limit $1',
  ].join('\n');
}

/** A flag that nobody set refuses nothing. */
function isTrue(flag: unknown): boolean {
  return flag === null || flag === undefined || TRUE_TEXTS.includes(String(flag).trim().toLowerCase());
}

function quoted(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}

function unreadable(what: string): GatewayError {
  return new GatewayError('model-not-ready', `Which models are enabled cannot be read from the database: ${what}`);
}
