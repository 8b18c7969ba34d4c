// Checks dashboard JSON files (classic v1 model) against the types of @grafana/schema (Apache 2.0), with the
// TypeScript compiler (Apache 2.0); both are fetched by npm and are no part of this repository.
// Usage: node check.mjs FILE...   (after `npm ci` in this folder)
// Each file becomes a TypeScript literal, so misspelt keys and wrong enum values are errors, not just wrong types.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const files = process.argv.slice(2);
if (files.length === 0) {
  console.error('usage: node check.mjs FILE...');
  process.exit(2);
}
const library = join(dirname(createRequire(import.meta.url).resolve('@grafana/schema/package.json')), 'dist/types');
const schema = join(library, 'raw/composable');

// Panel types whose options the schema library describes, by the name that a panel's "type" has.
const kinds = new Map();
for (const folder of readdirSync(schema)) {
  const path = join(schema, folder, 'panelcfg/x/types.gen.d.ts');
  let text;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    continue;
  }
  kinds.set(folder, {
    options: /export (interface|type) Options\b/.test(text),
    field: /export (interface|type) FieldConfig\b/.test(text),
    path: path.replace(/\.d\.ts$/, ''),
  });
}
// The schema's folder names differ from the plugin ids for these.
const folderOf = { 'state-timeline': 'statetimeline', 'status-history': 'statushistory', annolist: 'annotationslist', dashlist: 'dashboardlist', nodeGraph: 'nodegraph' };

const prelude = `
import type { Dashboard, Panel, RowPanel } from ${JSON.stringify(join(library, 'veneer/dashboard.types'))};
// Plain: as written in JSON. Enum members become their string values, optional stays optional.
type Plain<T> = T extends string ? \`\${T}\` : T extends (infer E)[] ? Plain<E>[] : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
type Target = { refId: string; datasource?: { type?: string; uid?: string }; expr: string; legendFormat?: string;
  instant?: boolean; range?: boolean; exemplar?: boolean; format?: 'time_series' | 'table' | 'heatmap'; interval?: string;
  intervalFactor?: number; hide?: boolean; editorMode?: 'code' | 'builder' };
type Mapping = unknown;
// The library's Threshold says value: number; Grafana itself writes null for the base step.
type Steps = { color: string; value: number | null }[];
type Common<O, F> = Omit<Plain<Panel>, 'options' | 'fieldConfig' | 'targets' | 'type' | 'transformations' | 'id'> & {
  id: number; type: string; options?: DeepPartial<Plain<O>>; targets?: Target[]; pluginVersion?: string;
  transformations?: { id: string; options: Record<string, unknown>; disabled?: boolean; filter?: unknown; topic?: string }[];
  fieldConfig?: { defaults: Omit<Plain<NonNullable<Panel['fieldConfig']>['defaults']>, 'custom' | 'thresholds' | 'mappings'> & {
      custom?: DeepPartial<Plain<F>>; thresholds?: { mode: 'absolute' | 'percentage'; steps: Steps }; mappings?: Mapping[] };
    overrides: { matcher: { id: string; options?: unknown }; properties: { id: string; value?: unknown }[] }[] } };
type DeepPartial<T> = T extends (infer E)[] ? DeepPartial<E>[] : T extends object ? { [K in keyof T]?: DeepPartial<T[K]> } : T;
type Row = Omit<Plain<RowPanel>, 'panels'> & { panels: unknown[] };
type Top = Omit<Plain<Dashboard>, 'panels' | 'templating' | 'annotations'> & { panels: unknown[];
  templating?: { list: (Omit<Plain<NonNullable<NonNullable<Dashboard['templating']>['list']>[number]>, 'query' | 'hide'> & {
    query?: unknown; hide?: 0 | 1 | 2 | 3; [more: string]: unknown })[] };
  annotations?: { list: unknown[] }; __inputs?: unknown[]; __requires?: unknown[] };
`;

function program(board) {
  const lines = [prelude];
  const imports = new Map();
  const seen = new Set();
  const panels = [];
  for (const panel of board.panels ?? []) {
    panels.push(panel, ...(panel.type === 'row' ? panel.panels ?? [] : []));
  }
  panels.forEach((panel, i) => {
    if (seen.has(panel.id)) throw new Error(`panel id ${panel.id} twice`);
    seen.add(panel.id);
    const type = panel.type === 'row' ? 'Row' : panelType(panel.type, imports);
    lines.push(`export const panel_${i}_id_${panel.id}: ${type} = ${JSON.stringify(panel)};`);
  });
  lines.push(`export const dashboard: Top = ${JSON.stringify({ ...board, panels: [] })};`);
  for (const [folder, path] of imports) lines.unshift(`import type * as ${folder} from ${JSON.stringify(path)};`);
  return lines.join('\n');
}

function panelType(type, imports) {
  const folder = folderOf[type] ?? type;
  const kind = kinds.get(folder);
  if (!kind) throw new Error(`panel type "${type}" is not in @grafana/schema`);
  imports.set(folder, kind.path);
  return `Common<${kind.options ? `${folder}.Options` : 'Record<string, unknown>'}, ${kind.field ? `${folder}.FieldConfig` : 'Record<string, unknown>'}>`;
}

const out = mkdtempSync(join(here, '.check-'));
let bad = 0;
try {
  for (const file of files) {
    const name = basename(file, '.json').replace(/\W/g, '_');
    try {
      writeFileSync(join(out, `${name}.ts`), program(JSON.parse(readFileSync(file, 'utf8'))));
    } catch (error) {
      console.error(`${file}: ${error.message}`);
      bad++;
    }
  }
  writeFileSync(join(out, 'tsconfig.json'), JSON.stringify({
    compilerOptions: { strict: true, noEmit: true, skipLibCheck: true, module: 'esnext', moduleResolution: 'bundler', target: 'es2022', types: [] },
    include: ['*.ts'],
  }));
  if (readdirSync(out).some((f) => f.endsWith('.ts'))) {
    try {
      execFileSync(join(here, 'node_modules/.bin/tsc'), ['-p', out, '--pretty', 'false'], { encoding: 'utf8' });
    } catch (error) {
      bad++;
      process.stderr.write((error.stdout || String(error)).replaceAll(/^.*\.check-[^/]*\//gm, ''));
    }
  }
} finally {
  rmSync(out, { recursive: true, force: true });
}
console.log(bad === 0 ? `${files.length} dashboards agree with @grafana/schema` : 'dashboards do not agree with @grafana/schema');
process.exit(bad === 0 ? 0 : 1);
