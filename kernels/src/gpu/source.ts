/** The text of a kernel: its buffers, then its scalars, then what one thread does. */
export const kernelSource = (buffers: readonly string[], scalars: readonly string[], body: string): string =>
  `function (${[...buffers, ...scalars].join(', ')}) {\n${body}\n}`

/** A kernel on buffers that may be views: the part of buffer `x` begins at `x[xo]`. `i` is the element of the result. */
export const define = (buffers: readonly string[], scalars: readonly string[], body: string): string =>
  kernelSource(buffers, [...buffers.map(b => `${b}o`), ...scalars], `const i = this.thread.x;\n${body}`)

/** A run of statements for each of `rank` axes, the last one first. */
export const eachAxis = (rank: number, statements: (d: number) => string): string =>
  Array.from({ length: rank }, (_, i) => statements(rank - 1 - i)).join('\n')

/** The names `${name}0`, `${name}1`, … */
export const numbered = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, d) => `${name}${d}`)

/** A text that is made once for each key. */
export function once<K, V>(make: (key: K) => V): (key: K) => V {
  const made = new Map<K, V>()
  return key => {
    let value = made.get(key)
    if (value === undefined) made.set(key, (value = make(key)))
    return value
  }
}
