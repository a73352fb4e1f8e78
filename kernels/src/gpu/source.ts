/** The text of a kernel: its buffers, then its scalars, then what one thread does. */
export const kernelSource = (buffers: readonly string[], scalars: readonly string[], body: string): string =>
  `function (${[...buffers, ...scalars].join(', ')}) {\n${body}\n}`

/** A kernel on buffers that may be views: the part of buffer `x` begins at `x[xo]`. `i` is the element of the result. */
export const define = (buffers: readonly string[], scalars: readonly string[], body: string): string =>
  kernelSource(buffers, [...buffers.map(b => `${b}o`), ...scalars], `const i = this.thread.x;\n${body}`)

/**
 * Sums over `j` < count, in blocks of 256 terms whose sums are added up: errors grow with 256 and the number of blocks, not with
 * that of terms.
 *
 * @param terms the term of each sum, by the name of its variable
 * @param before statements before the terms, for each j
 * @param j the variable that counts; names beginning with it are taken
 */
export function sums(count: string, terms: Readonly<Record<string, string>>, before = '', j = 'j'): string {
  const names = Object.keys(terms)
  const each = (statement: (name: string) => string) => names.map(statement).join('\n')
  return `${each(name => `let ${name} = 0.0;`)}
for (let ${j}Block = 0; ${j}Block < ${count} / 256.0; ${j}Block++) {
  const ${j}First = ${j}Block * 256.0;
  ${each(name => `let ${name}Part = 0.0;`)}
  for (let ${j}Step = 0; ${j}Step < 256; ${j}Step++) {
    const ${j} = ${j}First + ${j}Step;
    if (${j} >= ${count}) { break; }
    ${before}
    ${each(name => `${name}Part = ${name}Part + ${terms[name]};`)}
  }
  ${each(name => `${name} = ${name} + ${name}Part;`)}
}`
}

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
