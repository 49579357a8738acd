// The package has no types of its own. This is what we use of it.
declare module 'fs-native-extensions' {
  /**
   * An exclusive lock on the whole file (F_OFD_SETLK on Linux and macOS, LockFileEx on Windows), held
   * until the descriptor is closed or the process ends.
   *
   * @returns false when another descriptor has it.
   */
  export function tryLock(fd: number): boolean;
}
