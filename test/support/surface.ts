import ts from 'typescript'

/** The names that the declarations of some entries export. */
export interface Surface {
  /** By entry: the names it exports, types marked. */
  readonly names: Readonly<Record<string, readonly string[]>>
  /** Interfaces and classes that a signature mentions and that no entry exports: users cannot write them down. */
  readonly hidden: readonly string[]
}

/** Reads .d.ts files, by the name of their entry. */
export function surfaceOf(files: Readonly<Record<string, string>>): Surface {
  const program = ts.createProgram(Object.values(files), {
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    target: ts.ScriptTarget.ES2022,
    types: [],
  })
  const checker = program.getTypeChecker()
  const resolved = (symbol: ts.Symbol) =>
    symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
  const own = Object.entries(files).map(([entry, file]) => {
    const module = checker.getSymbolAtLocation(program.getSourceFile(file)!)!
    return [entry, checker.getExportsOfModule(module)] as const
  })
  const known = new Set(own.flatMap(([, symbols]) => symbols.map(resolved)))
  const names = own.map(([entry, symbols]) => {
    const marked = symbols.map(symbol => {
      const isValue = (resolved(symbol).flags & ts.SymbolFlags.Value) !== 0
      return isValue ? symbol.name : `type ${symbol.name}`
    })
    return [entry, marked.sort()] as const
  })
  const hidden = new Set<string>()
  const folders = Object.values(files).map(file => file.replace(/\/dist\/.*/, '/dist/'))
  const ours = (symbol: ts.Symbol) =>
    symbol.declarations?.some(declaration => {
      const { fileName } = declaration.getSourceFile()
      // Declarations in `declare global` are everyone's.
      if (ts.isModuleBlock(declaration.parent)) return false
      const named = ts.isInterfaceDeclaration(declaration) || ts.isClassDeclaration(declaration)
      return named && folders.some(folder => fileName.startsWith(folder))
    })
  const visit = (from: string) => {
    const walk = (node: ts.Node): void => {
      const name = ts.isTypeReferenceNode(node)
        ? node.typeName
        : ts.isExpressionWithTypeArguments(node)
          ? node.expression
          : undefined
      const found = name && checker.getSymbolAtLocation(name)
      if (found && ours(resolved(found)) && !known.has(resolved(found))) hidden.add(`${found.name} in ${from}`)
      ts.forEachChild(node, walk)
    }
    return walk
  }
  for (const [entry, symbols] of own) {
    for (const symbol of symbols) resolved(symbol).declarations?.forEach(visit(`${entry} ${symbol.name}`))
  }
  return { names: Object.fromEntries(names), hidden: [...hidden].sort() }
}
