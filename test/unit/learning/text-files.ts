// Small files of labelled sentences: five intents as a CSV file of a user's own, and in CLINC150's format.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** By intent; every sentence is another one. */
export const sentences: Readonly<Record<string, readonly string[]>> = {
  pay_bill: ['pay my bill', 'pay the power bill', 'i want to pay a bill', 'settle my water bill'],
  book_flight: ['book a flight', 'find me a flight to rome', 'i want a flight', 'get a flight home'],
  play_music: ['play a song', 'play music by bach', 'put on my music', 'start the music'],
  set_alarm: ['set an alarm', 'set my alarm for six', 'wake me at six', 'an alarm at noon'],
  tell_joke: ['tell a joke', 'tell me a joke', 'make me laugh', 'i want a joke'],
};

/** Of no intent. */
export const outsideSentences: readonly string[] = [
  'how tall is the moon',
  'who wrote faust',
  'where is ohio',
  'why is snow white',
  'what is a quark',
  'do fish sleep',
  'how old is paris',
  'what do owls eat',
];

const quoted = (field: string): string => `"${field.replaceAll('"', '""')}"`;

export const csvOf = (rows: readonly (readonly string[])[]): string =>
  rows.map((row) => `${row.map(quoted).join(',')}\r\n`).join('');

export const labelledRows = (): string[][] => [
  ...Object.entries(sentences).flatMap(([label, texts]) => texts.map((text) => [text, label])),
  ...outsideSentences.map((text) => [text, 'none']),
];

/** Writes `texts/intents.csv` and `clinc150/data_full.json` into a data directory. */
export function writeTexts(directory: string): void {
  mkdirSync(join(directory, 'texts'), { recursive: true });
  writeFileSync(join(directory, 'texts', 'intents.csv'), csvOf([['text', 'label'], ...labelledRows()]));
  mkdirSync(join(directory, 'clinc150'), { recursive: true });
  writeFileSync(join(directory, 'clinc150', 'data_full.json'), JSON.stringify(clincOf()));
}

/** The sentences as the keys of CLINC150's file. */
export function clincOf(): Record<string, string[][]> {
  const at = (begin: number, end: number) =>
    Object.entries(sentences).flatMap(([label, texts]) => texts.slice(begin, end).map((text) => [text, label]));
  const outside = (begin: number, end: number) => outsideSentences.slice(begin, end).map((text) => [text, 'oos']);
  return {
    train: at(0, 2),
    val: at(2, 3),
    test: at(3, 4),
    oos_train: outside(0, 2),
    oos_val: outside(2, 4),
    oos_test: outside(4, 8),
  };
}
