// The numbers of functions: TypeScript passes them, AssemblyScript switches on them.

/** Functions of one argument, and none. */
export enum MapCode {
  none = -1,
  abs,
  neg,
  relu,
  step,
  sign,
  square,
  sqrt,
  reciprocal,
  rsqrt,
  exp,
  expm1,
  log,
  log1p,
  tanh,
  sigmoid,
  softplus,
  erf,
  normalCdf,
  gelu,
  silu,
  geluTanh,
  sin,
  cos,
  asin,
  acos,
  atan,
}

/** Functions of two arguments. */
export enum ZipCode {
  add,
  sub,
  mul,
  div,
  maximum,
  minimum,
  equal,
  notEqual,
  less,
  lessEqual,
  pow,
  through,
}

/** Reductions. A mean has the number of its sum, and 4. */
export enum ReduceCode {
  sum,
  sumSquares,
  max,
  min,
  mean,
  meanSquare,
}

/** Functions with a fused derivative. */
export enum MapGradCode {
  exp,
  relu,
  sigmoid,
  tanh,
  silu,
  gelu,
  geluTanh,
  erf,
  normalCdf,
}

/** Recurrences on power series. */
export enum SeriesCode {
  exp,
  log,
  tanh,
  sigmoid,
  softplus,
  erf,
  normalCdf,
  reciprocal,
  sqrt,
  rsqrt,
  power,
  expm1,
  log1p,
  gelu,
  silu,
  geluTanh,
}

/** Kinds of random numbers. */
export enum RandomCode {
  bits,
  uniform,
  normal,
}
