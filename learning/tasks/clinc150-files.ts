// CLINC150's file: where it is published, what is in it, and the terms of use.
import type { DataSet } from '../../shared/data-sets.ts';

/** The authors publish no hash. `contents` is that of the file at this address. */
export const clinc150Files: DataSet = {
  name: 'clinc150',
  title: 'CLINC150: 150 intents of 150 sentences each, and 1,200 sentences out of their scope',
  homepage: 'https://github.com/clinc/oos-eval',
  licence: 'Creative Commons Attribution 3.0 Unported',
  citation:
    'Larson et al. (2019). An evaluation dataset for intent classification and out-of-scope prediction. EMNLP-IJCNLP, 1311–1316.',
  files: [
    {
      file: 'data_full.json',
      url: 'https://raw.githubusercontent.com/clinc/oos-eval/master/data/data_full.json',
      bytes: 2_495_390,
      sha256: null,
      part: 'full',
    },
  ],
  contents: { full: '163a7aa39d6d465ffaf5f64b9e213a1bfea38d5d411093aa0dec1971a2cd9467' },
};
