// Microsoft's own KQL parser over several queries: what it has against each, and the columns of each result.
//
//   node parser.cjs FOLDER_OF_THE_PACKAGE < {"tables": {"Table": {"Column": "kusto type"}}, "queries": {"name": "text"}}
//   > {"name": {"problems": ["line:column: severity code: message"], "columns": [["name", "type"]]}}
'use strict';
const fs = require('fs');
const path = require('path');
const vm = require('vm');

for (const file of ['bridge.min.js', 'Kusto.Language.Bridge.min.js']) // scripts that define globals, no modules
  vm.runInThisContext(fs.readFileSync(path.join(process.argv[2], file), 'utf8'), { filename: file });
const { KustoCode, GlobalState, Diagnostic, Symbols } = Kusto.Language;

const list = (items, type) =>
  Array.from({ length: System.Array.getCount(items, type) }, (_, i) => System.Array.getItem(items, i, type));

function stateOf(tables) {
  const symbols = Object.entries(tables).map(([name, columns]) => {
    const listed = Object.entries(columns).map(([column, type]) => `['${column}']: ${type}`);
    return Symbols.TableSymbol.From(`(${listed.join(', ')})`).WithName(name);
  });
  return GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.ctor('workspace', symbols));
}

function judge(text, state) {
  const code = KustoCode.ParseAndAnalyze(text, state);
  const problems = list(code.GetDiagnostics(), Diagnostic).map(found => {
    const before = text.slice(0, found.Start).split('\n');
    return `${before.length}:${before.at(-1).length + 1}: ${found.Severity} ${found.Code}: ${found.Message}`;
  });
  const result = code.ResultType && code.ResultType.Columns;
  const columns = result ? list(result, Symbols.ColumnSymbol).map(column => [column.Name, column.Type.Name]) : [];
  return { problems, columns };
}

const asked = JSON.parse(fs.readFileSync(0, 'utf8'));
const state = stateOf(asked.tables);
const answers = Object.entries(asked.queries).map(([name, text]) => [name, judge(text, state)]);
process.stdout.write(JSON.stringify(Object.fromEntries(answers)));
