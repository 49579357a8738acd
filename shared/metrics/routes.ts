// GET /metrics: the metrics of the process and its meter, in Prometheus' text format.
import type { MiddlewareHandler } from 'hono';
import { answer, type HttpRoutes } from '../http-server.ts';
import type { Meter } from './meter.ts';
import { exposeProcess, processRegistry } from './process.ts';

const contentType = 'text/plain; version=0.0.4; charset=utf-8';

/** @param admit checks the caller first. Without it, every client may read. */
export const metricsRoutes =
  (meter: Meter, admit?: MiddlewareHandler): HttpRoutes =>
  (app) => {
    processRegistry();
    if (admit) app.use('/metrics', admit);
    app.get('/metrics', async (context) =>
      answer(context, `${await exposeProcess()}\n${await meter.expose()}`, {
        headers: { 'content-type': contentType },
      }),
    );
  };
