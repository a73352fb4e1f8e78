// The seam between TypeScript and AssemblyScript, made from what assembly/ exports and from the dtypes of the contract.

/** A function that a source exports, and the comment before it. */
const exported = /(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n)?export function (\w+)(?:<([^>]+)>)?\(([^)]*)\): (\w+) \{/g

const typescript = { bool: 'boolean', i32: 'number', f64: 'number', usize: 'number', isize: 'number' }

/**
 * The functions of the module: exported functions of assembly/ that have a kernel's name, or whose comment says that they are
 * `@part` of a kernel. A generic one is there for every dtype of that kernel, and two type parameters for every pair.
 */
function functionsOf(sources, contract) {
  const functions = []
  for (const [file, text] of sources) {
    for (const [, comment, name, types, parameters, result] of text.matchAll(exported)) {
      const kernel = name in contract ? name : /@part (\w+)/.exec(comment)?.[1]
      if (kernel === undefined) continue
      if (!(kernel in contract)) throw new Error(`assembly/${file}: ${name} is part of ${kernel}, which is no kernel`)
      const pairs = parameters
        .split(',')
        .map(parameter => parameter.trim().split(': '))
        .filter(([parameter]) => parameter !== '')
      for (const [parameter, type] of pairs) {
        if (!(type in typescript)) throw new Error(`assembly/${file}: ${name} has ${parameter} of type ${type}`)
      }
      const rank = types?.split(',').length ?? 0
      const dtypes = Array.from({ length: rank }).reduce(
        made => made.flatMap(before => contract[kernel].dtypes.map(dtype => [...before, dtype])),
        [[]],
      )
      functions.push({ module: `./${file.replace('.ts', '')}`, name, parameters: pairs, result, rank, dtypes })
    }
  }
  return functions
}

/** The root of the module in AssemblyScript: `map<T>` is exported as map_f32 and map_f64. */
function indexOf(functions) {
  return functions
    .map(({ module, name, parameters, result, rank, dtypes }) => {
      if (rank === 0) return `export { ${name} } from '${module}'`
      const declared = parameters.map(parameter => parameter.join(': ')).join(', ')
      const passed = parameters.map(([parameter]) => parameter).join(', ')
      const each = dtypes.map(
        types =>
          `export function ${[name, ...types].join('_')}(${declared}): ${result} { return ${name}<${types}>(${passed}) }`,
      )
      return [`import { ${name} } from '${module}'`, ...each].join('\n')
    })
    .join('\n')
}

/** The exports in TypeScript: `map<T>` as `map.f32` and `map.f64`. */
function interfaceOf(functions) {
  const members = functions.map(({ name, parameters, result, rank }) => {
    const declared = parameters.map(([parameter, type]) => `${parameter}: ${typescript[type]}`).join(', ')
    // A result of type bool arrives as 0 or 1.
    const type = `(${declared}) => ${result === 'void' ? 'void' : 'number'}`
    return `  readonly ${name}: ${'OfDType<'.repeat(rank)}${type}${'>'.repeat(rank)}`
  })
  return `export interface Exports {\n${members.join('\n')}\n}`
}

/** Functions are inlined whose comment says so; as a decorator, which TypeScript does not have on functions, it would be an error. */
const decorated = text => text.replace(/(@inline \*\/\n)((?:export )?function)/g, '$1@inline $2')

/** The sources to compile, and the TypeScript interface of the compiled module. */
export async function seam(sources) {
  const { tsImport } = await import('tsx/esm/api')
  const { contract } = await tsImport('../src/contract.ts', import.meta.url)
  const functions = functionsOf(sources, contract)
  const compiled = new Map([...sources].map(([name, text]) => [name, decorated(text)]))
  return { sources: compiled.set('index.ts', indexOf(functions)), exports: interfaceOf(functions) }
}
