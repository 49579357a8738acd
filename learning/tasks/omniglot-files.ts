// Omniglot's official archives: where they are published, their hashes, and the terms of use.
import type { DataSet } from '../../shared/data-sets.ts';

const omniglotUrl = 'https://raw.githubusercontent.com/brendenlake/omniglot/master/python';

/** The hashes are those that TensorFlow Datasets publishes (url_checksums/omniglot.txt). */
export const omniglotFiles: DataSet = {
  name: 'omniglot',
  title: 'Omniglot: 1,623 handwritten characters of 50 alphabets, 20 drawings of each',
  homepage: 'https://github.com/brendenlake/omniglot',
  licence: 'MIT, Copyright (c) 2015 Brenden Lake',
  citation:
    'Lake, Salakhutdinov & Tenenbaum (2015). Human-level concept learning through probabilistic program induction. Science 350(6266), 1332–1338.',
  files: [
    {
      file: 'images_background.zip',
      url: `${omniglotUrl}/images_background.zip`,
      bytes: 9_464_212,
      sha256: 'ad41ab679c8b5d90b271ef46be6987cc81211774a695c29dcc5367b2b26ee640',
      part: 'full',
    },
    {
      file: 'images_evaluation.zip',
      url: `${omniglotUrl}/images_evaluation.zip`,
      bytes: 6_462_886,
      sha256: '1f61a8f3366785b057fc117d9228e78a16e3d976c8953b2a10fcc74cf0609cee',
      part: 'full',
    },
    {
      file: 'images_background_small1.zip',
      url: `${omniglotUrl}/images_background_small1.zip`,
      bytes: 1_319_022,
      sha256: 'f38eb80f801274ac2b4dff5b24289016bfaba4a7d5bb50deebf27104ad6cb8a4',
      part: 'small',
    },
    {
      file: 'images_background_small2.zip',
      url: `${omniglotUrl}/images_background_small2.zip`,
      bytes: 1_580_917,
      sha256: '3ccaa407515a8778e5d0861875af38b17e418f301ad5bb3b5a6b65d901a41c7f',
      part: 'small',
    },
  ],
  contents: {
    full: '87ca60f5a3f98f8488058e4955d1003275cccfc601938a63792a5d59b7ec3b83',
    small: '66d04ccf33a2ee21b33edf36d653d7d3c625ec499210fe476f0159c33dbec032',
  },
};
