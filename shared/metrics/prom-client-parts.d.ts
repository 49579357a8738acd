// Types for prom-client's single default metrics; prom-client types them only as a whole.
declare module 'prom-client/lib/metrics/*' {
  import type { Registry } from 'prom-client';

  const collect: (register: Registry) => void;
  export default collect;
}
