// prom-client's default metrics one by one, which it types as a whole only.
declare module 'prom-client/lib/metrics/*' {
  import type { Registry } from 'prom-client';

  const collect: (register: Registry) => void;
  export default collect;
}
