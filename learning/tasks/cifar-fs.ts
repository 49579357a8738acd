// CIFAR-FS (Bertinetto, Henriques, Torr & Vedaldi 2019, §4.1): CIFAR-100's classes, drawn at random
// into 64 that train, 16 that validate and 20 that test. The lists are the authors' own.
import { cifarDistribution } from './cifar-100.ts';

const splits = {
  train: words(`
    apple aquarium_fish bear bee bottle bowl boy bridge bus can castle caterpillar chair clock cloud
    cockroach couch cup dinosaur dolphin elephant forest girl hamster house kangaroo keyboard
    lawn_mower lion lizard lobster mountain mouse mushroom oak_tree orange orchid palm_tree pear
    pine_tree plate porcupine possum rabbit raccoon ray road seal shrew skunk skyscraper snake
    spider squirrel streetcar sunflower tank tiger train trout tulip turtle willow_tree wolf
  `),
  validation: words(`
    beaver beetle butterfly camel cattle crab crocodile flatfish lamp maple_tree motorcycle otter
    sea shark television tractor
  `),
  test: words(`
    baby bed bicycle chimpanzee fox leopard man pickup_truck plain poppy rocket rose snail
    sweet_pepper table telephone wardrobe whale woman worm
  `),
};

export const cifarFs = cifarDistribution({
  name: 'cifar-fs',
  title: 'CIFAR-FS',
  paper: 'Bertinetto, Henriques, Torr & Vedaldi 2019',
  splits,
  splitBy: 'class',
  mostWays: 64,
});

function words(text: string): readonly string[] {
  return text.trim().split(/\s+/);
}
