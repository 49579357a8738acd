// FC100 (Oreshkin, Rodríguez López & Lacoste 2018, §4.1 and supplement): CIFAR-100's classes by
// superclass, so that no superclass is in two splits: 12 train, 4 validate and 4 test, of 5 classes
// each.
import { cifarDistribution } from './cifar-100.ts';

export const fc100 = cifarDistribution({
  name: 'fc100',
  title: 'FC100',
  paper: 'Oreshkin, Rodríguez López & Lacoste 2018',
  splits: {
    train: [
      'fish',
      'flowers',
      'food_containers',
      'fruit_and_vegetables',
      'household_electrical_devices',
      'household_furniture',
      'large_man-made_outdoor_things',
      'large_natural_outdoor_scenes',
      'reptiles',
      'trees',
      'vehicles_1',
      'vehicles_2',
    ],
    validation: ['large_carnivores', 'large_omnivores_and_herbivores', 'non-insect_invertebrates', 'small_mammals'],
    test: ['aquatic_mammals', 'insects', 'medium_mammals', 'people'],
  },
  splitBy: 'superclass',
  mostWays: 60,
});
