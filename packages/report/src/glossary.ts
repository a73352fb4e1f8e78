export interface Term {
  readonly term: string
  readonly meaning: string
  /** Where the term stands in a text. */
  readonly pattern: RegExp
}

/** Definitions of the words that describe every expansion. */
export const glossary: readonly Term[] = [
  {
    term: 'gated',
    pattern: /\bgated\b|\bgates? frozen\b/i,
    meaning:
      'Every activation and norm is replaced by the factor that it multiplied by in this run. With these gates frozen the network is affine, and its paths sum to the output at any λ.',
  },
  {
    term: 'energy',
    pattern: /\benergy\b/i,
    meaning:
      'The squared norm of an order, averaged over the inputs. Its share is that square over the sum of the squares of all orders.',
  },
  {
    term: 'coherence',
    pattern: /\bcoherence\b/i,
    meaning:
      'κ: the squared norm of a sum of paths over the sum of their squared norms. 1 for independent paths, their number for equal ones, below 1 for paths that cancel.',
  },
  {
    term: 'remainder',
    pattern: /\bremainders?\b/i,
    meaning: 'The part of the output that orders up to k miss: ‖output − their sum‖/‖output‖.',
  },
  {
    term: 'radius',
    pattern: /\bradius\b/i,
    meaning:
      'The radius of convergence of the Taylor series in λ. Below it more orders come as near to the output as one likes; beyond it they diverge.',
  },
]

/** The terms of the glossary that a text uses. */
export const termsIn = (text: string): readonly Term[] => glossary.filter(({ pattern }) => pattern.test(text))
