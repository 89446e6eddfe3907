// Who may import whom. `node import-rules.mjs` checks the whole tree; the design behind the table is in CONTRIBUTING.md.
import { readdirSync } from 'node:fs';
import { cruise, format } from 'dependency-cruiser';

const FOLDERS = {
  admin: ['http/'],
  jobs: ['transcribe/', 'webhooks/', 'transcript/'],
  transcribe: ['ingest/', 'cache/', 'schedule/', 'models/', 'transcript/'],
  schedule: ['pool/', 'models/', 'transcript/'],
  pool: ['models/', 'transcript/'],
  ingest: ['transcript/'],
  cache: ['transcript/'],
  webhooks: ['transcript/'],
  models: ['transcript/'],
  http: [],
  transcript: [],
  lib: [],
};

// What only some folders may touch, so that each risky ability has few places to be wrong in.
const ABILITIES = {
  child_process: ['pool/', 'ingest/'],
  undici: ['pool/', 'ingest/', 'webhooks/', 'models/'],
  worker_threads: ['ingest/'],
  pg: ['models/'],
  keyv: ['cache/'],
  'lru-cache': ['cache/'],
  sqlite: ['jobs/', 'webhooks/'],
  hono: ['http/', 'dialects/', 'admin/', 'app[.]ts$'],
};

const EVERYONE_MAY = ['errors[.]ts$', 'lib/'];
const isTest = '[.](test|cases)[.]ts$';

const forbidden = [
  { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
  ...Object.entries(FOLDERS).map(([folder, others]) => ({
    name: `${folder}-imports`,
    severity: 'error',
    comment: `src/${folder} may import itself, errors, lib and: ${others.join(', ') || 'nothing'}.`,
    from: { path: `^src/${folder}/`, pathNot: isTest },
    to: { path: '^src/', pathNot: [`${folder}/`, ...EVERYONE_MAY, ...others].map((path) => `^src/${path}`) },
  })),
  {
    name: 'dialect-imports',
    severity: 'error',
    comment: 'A dialect knows the dialect contract, transcribe, jobs, transcript and http; never another dialect.',
    from: { path: '^src/dialects/([^/]+)/', pathNot: isTest },
    to: {
      path: '^src/',
      pathNot: [
        '^src/dialects/$1/',
        '^src/dialects/dialect[.]ts$',
        '^src/(transcribe|jobs|transcript|http|lib)/',
        '^src/errors[.]ts$',
      ],
    },
  },
  {
    name: 'settings-are-passed-in',
    severity: 'error',
    comment: 'Only main and app know the whole configuration; every part gets its slice as an argument.',
    from: { path: '^src/', pathNot: ['^src/(main|app)[.]ts$', isTest] },
    to: { path: '^src/config[.]ts$' },
  },
  {
    name: 'nothing-imports-the-top',
    severity: 'error',
    from: { path: '^src/', pathNot: ['^src/main[.]ts$', isTest] },
    to: { path: '^src/(main|app)[.]ts$' },
  },
  {
    name: 'outside-stays-outside',
    severity: 'error',
    comment: 'Engines, benches and black-box tests meet the gateway over HTTP only.',
    from: { path: '^(compat-tests|backends|bench)/' },
    to: { path: '^src/' },
  },
  ...Object.entries(ABILITIES).map(([module, owners]) => ({
    name: `only-some-use-${module}`,
    severity: 'error',
    comment: `${module} belongs to ${owners.join(', ')}.`,
    from: { path: '^src/', pathNot: [...owners.map((owner) => `^src/${owner}`), isTest] },
    to: { path: `(^|/)(node:)?${module}(/|$)`, pathNot: '^src/' },
  })),
];

const roots = ['src', 'backends', 'compat-tests', 'bench', 'openapi'];
const { output } = await cruise(roots, {
  ruleSet: { forbidden },
  validate: true,
  doNotFollow: { path: 'node_modules' },
  exclude: { path: '(^|/)(node_modules|fixtures)/' },
  tsPreCompilationDeps: true, // type-only imports count too
  enhancedResolveOptions: { extensions: ['.ts', '.mjs', '.js', '.json'] },
});

const files = roots.flatMap((root) =>
  readdirSync(root, { recursive: true, withFileTypes: true }).filter(
    (entry) => entry.isFile() && /[.](ts|mjs)$/.test(entry.name) && !/(node_modules|fixtures)/.test(entry.parentPath),
  ),
).length;
const seen = output.modules.filter((module) => roots.some((root) => module.source.startsWith(`${root}/`))).length;
if (seen < files) {
  // With a TypeScript it cannot use, the tool reads nothing and finds nothing wrong.
  console.error(`The import check read ${seen} modules of ${files} files, so its verdict means nothing.`);
  process.exit(1);
}
const report = await format(output, { outputType: 'err-long' });
console.log(report.output.trim());
process.exit(report.exitCode > 0 ? 1 : 0);
