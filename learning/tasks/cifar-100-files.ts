// CIFAR-100's official archive: where it is published, its hash, and the terms of use.
import type { DataSet } from '../../shared/data-sets.ts';

/**
 * The official page gives MD5 03b5dce01913d631647c71ecec9e9cb8; the SHA-256 is the one that
 * MLDatasets.jl checks.
 */
export const cifar100Files: DataSet = {
  name: 'cifar-100',
  title: 'CIFAR-100: 100 classes in 20 superclasses, 600 colour photographs of 32 × 32 pixels of each',
  homepage: 'https://www.cs.toronto.edu/~kriz/cifar.html',
  licence: 'none stated; to be cited',
  citation:
    'Krizhevsky (2009). Learning multiple layers of features from tiny images. Technical report, University of Toronto.',
  files: [
    {
      file: 'cifar-100-binary.tar.gz',
      url: 'https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz',
      bytes: 168_513_733,
      sha256: '58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec',
      part: 'full',
    },
  ],
  // the archive's own hash is checked when it is fetched; that of its contents is not published
  contents: {},
};
