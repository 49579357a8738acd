// Every dashboard, with the name of its generated file.
import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { type Board, buildBoard } from './board.ts';
import { clusterBoard } from './cluster-board.ts';
import { jobBoard } from './job-board.ts';
import { workersBoard } from './workers-board.ts';

export const boards: Readonly<Record<string, Board>> = {
  'cluster.json': clusterBoard,
  'job.json': jobBoard,
  'workers.json': workersBoard,
};

/** File name → its content. */
export function generateDashboards(): Map<string, string> {
  const text = (dashboard: Dashboard) => `${JSON.stringify(dashboard, null, 2)}\n`;
  return new Map(Object.entries(boards).map(([file, board]) => [file, text(buildBoard(board))]));
}
