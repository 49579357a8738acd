// Numbers as text for people. Pure; equal in every locale, so that output can be compared and
// searched.

/** 1234567 → `1,234,567`. */
export const formatCount = (value: number): string => Math.round(value).toLocaleString('en-US');

/** Three significant digits, without an exponent between 0.001 and 1,000,000. */
export function formatValue(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e6)) return value.toExponential(2);
  if (size >= 1000) return formatCount(value);
  const decimals = size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 || size === 0 ? 3 - (size >= 1 ? 1 : 0) : 4;
  return value.toFixed(decimals);
}

/** 0.9187 → `91.9 %`. */
export const formatPercent = (value: number, decimals = 1): string => `${(100 * value).toFixed(decimals)} %`;

/** Tasks or meta-steps a second. */
export const formatRate = (value: number): string => (value >= 100 ? formatCount(value) : formatValue(value));

/** Seconds → `4.2 s`, `3 min 20 s`, `2 h 5 min`. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return 'unknown';
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const minutes = Math.round(whole / 60);
  return `${formatCount(Math.floor(minutes / 60))} h ${minutes % 60} min`;
}

/** Bytes → `812 B`, `1.3 MB`. Powers of 1,000, as disks and networks count. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1);
  return power === 0 ? `${bytes} B` : `${(bytes / 1000 ** power).toFixed(1)} ${units[power]}`;
}

/** A time as `2026-11-24 04:18:36 UTC`. */
export const formatTime = (time: Date): string => `${time.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
