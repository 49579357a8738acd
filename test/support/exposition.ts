// The output of a process's /metrics as numbers by series: `metatrain_jobs{state="queued"}`.

export type Exposition = ReadonlyMap<string, number>;

export async function scrape(address: string): Promise<Exposition> {
  const response = await fetch(`http://${address}/metrics`);
  if (response.status !== 200) throw new Error(`${address}/metrics answered ${response.status}`);
  return parseExposition(await response.text());
}

export function parseExposition(text: string): Exposition {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}
