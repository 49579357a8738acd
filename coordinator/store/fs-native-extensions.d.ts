// The package has no types of its own. These declare the function that we use.
declare module 'fs-native-extensions' {
  /**
   * Takes an exclusive lock on the whole file (F_OFD_SETLK on Linux and macOS, LockFileEx on
   * Windows), held until the descriptor is closed or the process ends.
   *
   * @returns false when another descriptor holds the lock.
   */
  export function tryLock(fd: number): boolean;
}
