// How the imports of a plugin are resolved. `metatrain/learning` is the one of the running process,
// wherever the plugin's file lies. A file of the plugin's own is refused: the plugin's hash would not
// cover it. Loaded twice: by `plugin-file.ts`, and on Node before 22.15 by Node's thread for hooks.

export interface PluginImports {
  /** URL of the plugin's file. */
  readonly plugin: string;
  /** URL of the module that `metatrain/learning` means. */
  readonly learning: string;
}

interface ResolveContext {
  readonly parentURL?: string | undefined;
}

const known: PluginImports[] = [];

/** Adds a plugin. Node calls it in the thread for hooks. */
export function initialize(imports: PluginImports): void {
  known.push(imports);
}

export function resolve<Context extends ResolveContext, Resolved>(
  specifier: string,
  context: Context,
  next: (specifier: string, context: Context) => Resolved,
): Resolved | { readonly url: string; readonly format: 'module'; readonly shortCircuit: true } {
  const learning = known.at(-1)?.learning;
  if (specifier === 'metatrain/learning' && learning) return { url: learning, format: 'module', shortCircuit: true };
  if (/^(\.|\/|file:|data:|#)/.test(specifier) && known.some(({ plugin }) => plugin === context.parentURL)) {
    throw new Error(
      `it imports ${specifier}, which its hash does not cover; accepted: one file ` +
        '(npx esbuild FILE --bundle --format=esm --external:metatrain --outfile=parts.js makes one)',
    );
  }
  return next(specifier, context);
}
