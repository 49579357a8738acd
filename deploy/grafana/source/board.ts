// The common parts of our dashboards: a Prometheus data source that the reader may choose, rows of
// panels of a few kinds, and on each panel a description of its figures. Knows no metric.

import { PanelBuilder as BarGaugeBuilder } from '@grafana/grafana-foundation-sdk/bargauge';
import {
  BigValueColorMode,
  BigValueGraphMode,
  GraphDrawStyle,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  type Dashboard,
  DashboardBuilder,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as GraphBuilder } from '@grafana/grafana-foundation-sdk/timeseries';

/** A PromQL expression, and Grafana's template for the name of each of its series. */
export type Query = readonly [expression: string, legend: string];

export interface Panel {
  readonly kind: 'graph' | 'stacked' | 'stat' | 'bars';
  readonly title: string;
  /** What the panel shows, and how to read it. */
  readonly description: string;
  /** Of `@grafana/grafana-foundation-sdk/units`. */
  readonly unit: string;
  readonly queries: readonly Query[];
  /** Of 24 columns. Default: 8 for graphs, 4 for figures. */
  readonly width?: number;
  /** Lowest value of the axis. Default: 0; undefined lets Grafana choose. */
  readonly min?: number | undefined;
}

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

export interface Variable {
  readonly name: string;
  readonly label: string;
  /** Such as `label_values(metric, label)`. */
  readonly query: string;
  /** Allows several values at a time, and selects all by default. */
  readonly isMulti?: boolean;
}

export interface Board {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly variables: readonly Variable[];
  readonly rows: readonly Row[];
}

const datasource = { type: 'prometheus', uid: `\${datasource}` };

export function buildBoard({ uid, title, description, variables, rows }: Board): Dashboard {
  const builder = new DashboardBuilder(title)
    .uid(uid)
    .description(description)
    .tags(['metatrain'])
    .editable()
    .time({ from: 'now-30m', to: 'now' })
    .refresh('10s')
    .timezone('browser')
    .withVariable(new DatasourceVariableBuilder('datasource').label('Prometheus').type('prometheus'));
  for (const variable of variables) builder.withVariable(buildVariable(variable));
  for (const row of rows) {
    builder.withRow(new RowBuilder(row.title));
    for (const panel of row.panels) builder.withPanel(buildPanel(panel));
  }
  return builder.build();
}

function buildVariable({ name, label, query, isMulti = false }: Variable): QueryVariableBuilder {
  const builder = new QueryVariableBuilder(name)
    .label(label)
    .query(query)
    .datasource(datasource)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc);
  return isMulti ? builder.multi(true).includeAll(true).allValue('.*') : builder;
}

function buildPanel(panel: Panel): GraphBuilder | StatBuilder | BarGaugeBuilder {
  const { title, description, unit, kind, width = kind === 'stat' ? 4 : 8 } = panel;
  const builder = builderOf(panel)
    .title(title)
    .description(description)
    .unit(unit)
    .datasource(datasource)
    .span(width)
    .height(kind === 'stat' ? 4 : 8);
  const min = 'min' in panel ? panel.min : 0;
  if (min !== undefined) builder.min(min);
  for (const [index, [expression, legend]] of panel.queries.entries()) {
    const target = new DataqueryBuilder()
      .refId(String.fromCharCode(65 + index))
      .expr(expression)
      .legendFormat(legend);
    builder.withTarget(kind === 'bars' ? target.instant() : target.range());
  }
  return builder;
}

function builderOf({ kind }: Panel): GraphBuilder | StatBuilder | BarGaugeBuilder {
  const newest = () => new ReduceDataOptionsBuilder().calcs(['lastNotNull']);
  switch (kind) {
    case 'stat':
      return new StatBuilder()
        .reduceOptions(newest())
        .colorMode(BigValueColorMode.None)
        .graphMode(BigValueGraphMode.Area);
    case 'bars':
      return new BarGaugeBuilder().reduceOptions(newest());
    case 'graph':
    case 'stacked': {
      const graph = new GraphBuilder()
        .drawStyle(GraphDrawStyle.Line)
        .lineWidth(1)
        .fillOpacity(kind === 'stacked' ? 40 : 5)
        .showPoints(VisibilityMode.Never)
        .legend(
          new VizLegendOptionsBuilder()
            .displayMode(LegendDisplayMode.List)
            .placement(LegendPlacement.Bottom)
            .showLegend(true),
        )
        .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi));
      return kind === 'stacked' ? graph.stacking(new StackingConfigBuilder().mode(StackingMode.Normal)) : graph;
    }
    default:
      return kind satisfies never;
  }
}
