import { type Backend, js, wasm } from '@unravel/kernels'
import * as ops from '@unravel/tensor'
import { grad, jvp, max, maximum, min, minimum, pow, series, sum, type Tensor, tensor, vjp } from '@unravel/tensor'
import { type Dense, Gating } from '@unravel/tensor/internals'
import { describe, expect, it } from 'vitest'

// Values and derivatives where functions saturate, meet NaN, ±Inf or ±0, tie, or have a kink.

const places = [js(), wasm()].flatMap(backend =>
  (['f32', 'f64'] as const).map(dtype => [backend.name, dtype, backend] as const),
)
type Unary = (x: Tensor) => Tensor
const named = ops as unknown as Record<string, Unary>
const numbers = (t: Tensor) => [...t.dataSync()]

/** x and the Taylor coefficients of φ(x + z), orders 0 to 3, by mpmath with 400 digits. */
const TAYLOR: Record<string, readonly (readonly number[])[]> = {
  tanh: [
    [0.3125, 0.3027097293321085, 0.9083668197676816, -0.2749714741461431, -0.2195523994097307],
    [2.0, 0.9640275800758169, 0.07065082485316447, -0.06810934371355652, 0.04210901084967712],
    [5.0, 0.9999092042625951, 0.0001815832309438067, -0.0001815667439604528, 0.00012102251482611113],
    [9.015625, 0.9999999704771954, 5.904560837271611e-8, -5.904560662952414e-8, 3.93637354287602e-8],
    [-9.015625, -0.9999999704771954, 5.904560837271611e-8, 5.904560662952414e-8, 3.93637354287602e-8],
    [20.0, 1.0, 1.6993417021166355e-17, -1.6993417021166355e-17, 1.132894468077757e-17],
    [-40.0, -1.0, 7.219405551381661e-35, 7.219405551381661e-35, 4.8129370342544404e-35],
    [300.0, 1.0, 1.0601586212017243e-260, -1.0601586212017243e-260, 7.067724141344829e-261],
  ],
  sigmoid: [
    [-40.0, 4.248354255291589e-18, 4.248354255291589e-18, 2.1241771276457944e-18, 7.080590425485981e-19],
    [-3.0, 0.04742587317756678, 0.04517665973091213, 0.02044578733047174, 0.005488512704042737],
    [0.5, 0.6224593312018546, 0.2350037122015945, -0.02877839742616037, -0.016059459381597436],
    [5.0, 0.9933071490757152, 0.006648056670790155, -0.0032795338831612814, 0.001063812787633655],
    [17.0, 0.9999999586006245, 4.1399373760035016e-8, -2.069968516610929e-8, 6.899893912764355e-9],
    [40.0, 1.0, 4.248354255291589e-18, -2.1241771276457944e-18, 7.080590425485981e-19],
    [300.0, 1.0, 5.148200222412013e-131, -2.5741001112060067e-131, 8.580333704020022e-132],
  ],
  expm1: [
    [-40.0, -1.0, 4.248354255291589e-18, 2.1241771276457944e-18, 7.080590425485981e-19],
    [-10.0, -0.9999546000702375, 4.5399929762484854e-5, 2.2699964881242427e-5, 7.5666549604141415e-6],
    [0.5, 0.6487212707001282, 1.6487212707001282, 0.8243606353500641, 0.27478687845002137],
    [-300.0, -1.0, 5.148200222412013e-131, 2.5741001112060067e-131, 8.580333704020022e-132],
  ],
  exp: [
    [-40.0, 4.248354255291589e-18, 4.248354255291589e-18, 2.1241771276457944e-18, 7.080590425485981e-19],
    [3.0, 20.085536923187668, 20.085536923187668, 10.042768461593834, 3.347589487197945],
  ],
  erf: [
    [-5.0, -0.9999999999984626, 1.5670866531017336e-11, 7.835433265508668e-11, 2.5595748667328317e-10],
    [-2.0, -0.9953222650189527, 0.020666985354092053, 0.041333970708184106, 0.04822296582621479],
    [0.3125, 0.341468633501595, 1.0233954666001974, -0.31981108331256164, -0.27450451317661545],
    [3.0, 0.9999779095030014, 0.00013925305194674786, -0.00041775915584024356, 0.0007891006276982378],
    [6.0, 1.0, 2.617301239249265e-16, -1.5703807435495589e-15, 6.194279599556593e-15],
    [20.0, 1.0, 2.1610374743867984e-174, -4.322074948773597e-173, 5.75556314011684e-172],
  ],
  normalCdf: [
    [-20.0, 2.7536241186062337e-89, 5.520948362159764e-88, 5.5209483621597635e-87, 3.6714306608362425e-86],
    [-5.0, 2.866515718791939e-7, 1.4867195147342977e-6, 3.7167987868357443e-6, 5.946878058937191e-6],
    [0.4375, 0.6691256119591208, 0.3625323170404452, -0.0793039443525974, -0.04885689428865375],
    [4.0, 0.9999683287581669, 0.00013383022576488534, -0.0002676604515297707, 0.0003345755644122134],
    [9.0, 1.0, 1.0279773571668915e-18, -4.6258981072510115e-18, 1.370636476222522e-17],
    [20.0, 1.0, 5.520948362159764e-88, -5.5209483621597635e-87, 3.6714306608362425e-86],
  ],
  softplus: [
    [-40.0, 4.248354255291589e-18, 4.248354255291589e-18, 2.1241771276457944e-18, 7.080590425485981e-19],
    [-5.0, 0.006715348489118068, 0.0066928509242848554, 0.0033240283353950773, 0.0010931779610537605],
    [2.0, 2.1269280110429727, 0.8807970779778824, 0.05249679270175326, -0.013327083509358843],
    [40.0, 40.0, 1.0, 2.1241771276457944e-18, -7.080590425485981e-19],
  ],
  gelu: [
    [-20.0, -5.507248237212468e-88, -1.1014360483133464e-86, -1.0986687240697928e-85, -7.287651838050887e-85],
    [-6.0, -5.9195258702261885e-9, -3.5468709453902015e-8, -1.0329000844699585e-7, -1.9442825119434513e-7],
    [-3.0, -0.0040496940948902835, -0.011945647204183927, -0.015511469441783025, -0.011079621029845018],
    [0.5, 0.34573123063700656, 0.8674951246561629, 0.30805716091876206, -0.11002041461384358],
    [5.0, 4.999998566742141, 1.000007146946002, -1.7097274419444422e-5, 2.601759150785021e-5],
    [12.0, 12.0, 1.0, -1.5239324523207728e-30, 6.009874459856569e-30],
  ],
  silu: [
    [-40.0, -1.6993417021166355e-16, -1.6568581595637197e-16, -8.071873085054019e-17, -2.619818457429813e-17],
    [-9.0, -0.0011105511838760856, -0.0009870195718974083, -0.00043169070509402395, -0.00012325757193186302],
    [0.5, 0.3112296656009273, 0.7399611873026518, 0.2206145134885143, -0.03680812711695909],
    [5.0, 4.966535745378576, 1.026547432429666, -0.009749612745016253, 0.0020395300550069937],
    [17.0, 16.999999296210618, 1.0000006623899784, -3.104952740638229e-7, 9.659851135088475e-8],
    [45.0, 45.0, 1.0, -6.154414948181196e-19, 2.0037630063845756e-19],
  ],
  atan: [
    [-40.0, -1.5458015331759765, 0.0006246096189881324, 1.56054870453e-5, 3.8981226488858365e-7],
    [-2.0, -1.1071487177940904, 0.2, 0.08, 0.029333333333333333],
    [0.3125, 0.3028848683749714, 0.9110320284697508, -0.2593685490305341, -0.17820434590567655],
    [1.5, 0.982793723247329, 0.3076923076923077, -0.14201183431952663, 0.055833712638446366],
    [1048576.0, 1.5707953731205802, 9.094947017721011e-13, -8.673617379868258e-19, 8.271806125505199e-25],
  ],
  asin: [
    [-0.875, -1.0654358165107394, 2.0655911179772892, -3.8557700868909395, 15.86373978606558],
    [0.3125, 0.31782370392788073, 1.0527227119356304, 0.18228964708842085, 0.25757290393792454],
    [0.9990234375, 1.5265985556491812, 22.632943293569802, 5791.2029831620985, 2965579.707348277],
  ],
  acos: [
    [-0.875, 2.636232143305636, -2.0655911179772892, 3.8557700868909395, -15.86373978606558],
    [0.3125, 1.252972622867016, -1.0527227119356304, -0.18228964708842085, -0.25757290393792454],
    [0.9990234375, 0.04419777114571532, -22.632943293569802, -5791.2029831620985, -2965579.707348277],
  ],
  softsign: [
    [-8589934592.0, -0.9999999998835847, 1.3552527152913362e-20, 1.5777218098910106e-30, 1.8367099223045395e-40],
    [-1.0, -0.5, 0.25, 0.125, 0.0625],
    [0.3125, 0.23809523809523808, 0.5804988662131519, -0.4422848504481158, 0.33697893367475484],
    [3.0, 0.75, 0.0625, -0.015625, 0.00390625],
    [1048576.0, 0.9999990463265931, 9.094929670519338e-13, -8.673592564512991e-19, 8.2717745711693e-25],
    [2 ** 60, 1.0, 7.52316384526264e-37, -6.525304467998525e-55, 5.659799424266695e-73],
  ],
  sinh: [
    [-20.0, -242582597.70489514, 242582597.70489514, -121291298.85244757, 40430432.95081586],
    [0.5, 0.5210953054937474, 1.1276259652063807, 0.2605476527468737, 0.18793766086773014],
    [3.0, 10.017874927409903, 10.067661995777765, 5.008937463704951, 1.677943665962961],
  ],
  cosh: [
    [-20.0, 242582597.70489514, -242582597.70489514, 121291298.85244757, -40430432.95081586],
    [0.5, 1.1276259652063807, 0.5210953054937474, 0.5638129826031903, 0.08684921758229122],
    [3.0, 10.067661995777765, 10.017874927409903, 5.033830997888883, 1.6696458212349836],
  ],
  log1p: [
    [-0.875, -2.0794415416798357, 8.0, -32.0, 170.66666666666666],
    [1.1641532182693481e-10, 1.1641532182015855e-10, 0.9999999998835847, -0.4999999998835847, 0.333333333216918],
    [3.0, 1.3862943611198906, 0.25, -0.03125, 0.005208333333333333],
    [7.378697629483821e19, 45.74771391695639, 1.3552527156068805e-20, -9.183549615799121e-41, 8.297353703814855e-61],
  ],
  geluTanh: [
    [-6.0, -8.439646700762297e-11, -7.709973930953696e-10, -3.4121236370785946e-9, -9.728977603083802e-9],
    [-3.0, -0.003637392081773019, -0.011584166630969726, -0.015883829443037352, -0.01161370306388667],
    [0.5, 0.34571400982514394, 0.8673699035346423, 0.30775344755799244, -0.1102029838877892],
    [3.0, 2.996362607918227, 1.0115841666309697, -0.015883829443037352, 0.01161370306388667],
    [6.0, 5.9999999999156035, 1.0000000007709975, -3.4121236370785946e-9, 9.728977603083802e-9],
  ],
}

describe.each(places)('on %s in %s', (_, dtype, backend: Backend) => {
  const make = (x: Dense | number | readonly number[] | readonly (readonly number[])[]) =>
    tensor(x as number[], { dtype, backend })
  const [eps, least] = dtype === 'f32' ? [2 ** -24, 2 ** -126] : [2 ** -53, 2 ** -1022]

  it.each(Object.keys(TAYLOR))('derivatives of %s keep their relative accuracy where it saturates', name => {
    const f = named[name]!
    for (const [x, , d1, d2, d3] of TAYLOR[name] as [number, number, number, number, number][]) {
      const g = grad((v: Tensor) => sum(f(v)))
      const path = numbers(series(f, make([[x], [1]]), 3))
      const got = {
        gradient: [g(make([x])).dataSync()[0]!, d1],
        jvp: [jvp(f, make([x]), make([1]))[1].dataSync()[0]!, d1],
        'order 2': [path[2]!, d2],
        'order 3': [path[3]!, d3],
        'second derivative': [grad((v: Tensor) => sum(g(v)))(make([x])).dataSync()[0]!, 2 * d2],
      }
      for (const [what, [is, exact]] of Object.entries(got)) {
        // The exponent of geluTanh, a cubic of x, is rounded.
        const allowed = (name === 'geluTanh' ? 64 : 16) * eps * Math.max(Math.abs(exact!), least)
        expect(Math.abs(is! - exact!), `${what} of ${name} at ${x}: ${is} for ${exact}`).toBeLessThanOrEqual(allowed)
      }
    }
  })

  const huge = dtype === 'f32' ? 1e38 : 1e308
  const SPECIAL = [Number.NaN, Infinity, -Infinity, 0, -0, 1e-40, huge, -huge, 40, -40, 800, -800, 1]
  const unary: Record<string, Unary> = {
    ...Object.fromEntries(
      [
        ...Object.keys(TAYLOR),
        'mish',
        'hardSwish',
        'hardSigmoid',
        'relu6',
        'relu',
        'abs',
        'log',
        'sqrt',
        'rsqrt',
        'reciprocal',
        'sin',
        'cos',
      ].map(n => [n, named[n]!]),
    ),
    ...Object.fromEntries([0.5, 1.5, 2, 3, 5, -1.5, 0].map(r => [`pow ${r}`, (x: Tensor) => pow(x, r)])),
    max: x => max(x),
    min: x => min(x),
    'maximum of itself': x => maximum(x, x),
    'minimum with 0': x => minimum(x, 0),
  }
  it.each(Object.keys(unary))('%s has the value of the run in series, forward mode and gated', name => {
    const f = unary[name]!
    for (const x of SPECIAL) {
      const run = numbers(f(make([x])))
      const same = (got: Tensor, how: string) =>
        expect(numbers(got).slice(0, 1), `${name} of ${x}: ${how}`).toEqual(run)
      same(jvp(f, make([x]), make([1]))[0], 'jvp')
      same(series(f, make([[x], [1], [0.5]]), 6), 'series')
      const at = new Gating(1, 2)
      let y: Tensor
      try {
        y = f(at.paths(make([x]), make([[x]])))
      } catch (e) {
        expect(e).toBeInstanceOf(ops.RuleError)
        continue
      }
      same(at.value(y), 'gated')
    }
  })

  it('derivatives at infinity are limits, not ∞·0', () => {
    for (const name of [
      'relu',
      'gelu',
      'silu',
      'geluTanh',
      'softplus',
      'exp',
      'sigmoid',
      'tanh',
      'erf',
      'normalCdf',
      'expm1',
      'atan',
    ]) {
      const f = named[name]!
      const zero = (x: number, order: number) =>
        x > 0 && order === 1 && ['relu', 'gelu', 'silu', 'geluTanh', 'softplus'].includes(name) ? 1 : 0
      for (const x of name === 'exp' || name === 'expm1' ? [-Infinity] : [-Infinity, Infinity]) {
        const orders = numbers(series(f, make([[x], [1]]), 4)).slice(1)
        expect(orders.map(Math.abs), `${name} at ${x}`).toEqual([1, 2, 3, 4].map(k => zero(x, k)))
        expect(Math.abs(grad((v: Tensor) => sum(f(v)))(make([x])).dataSync()[0]!)).toBe(zero(x, 1))
      }
    }
  })

  it('max and min leave what is masked by an infinity out', () => {
    const stack = make([
      [3, -Infinity, 1],
      [5, 7, 9],
    ])
    expect(numbers(series(x => max(x), stack, 1))).toEqual([3, 5])
    const other = make([
      [3, Infinity, 1],
      [5, 7, 9],
    ])
    expect(numbers(series(x => min(x), other, 1))).toEqual([1, 9])
    const at = new Gating(1, 1)
    const y = max(at.paths(make([3, -Infinity, 1]), make([[3, -Infinity, 1]])))
    expect(numbers(at.stack(y))).toEqual([3])
    const logSumExp = (x: Tensor) => {
      const m = max(x, -1, true)
      return ops.add(ops.log(sum(ops.exp(ops.sub(x, m)))), sum(m))
    }
    expect(
      numbers(
        series(
          logSumExp,
          make([
            [3, -Infinity],
            [2, 7],
          ]),
          1,
        ),
      ),
    ).toEqual([3, 2])
  })

  it('a closed gate lets nothing through, not even an infinite path sum', () => {
    for (const name of ['relu', 'gelu', 'geluTanh', 'silu', 'mish', 'hardSwish', 'relu6']) {
      const at = new Gating(1, 2)
      const x = at.paths(make([-Infinity, 2]), make([[3, 1.5], [-Infinity, 0.5]])) // biome-ignore format: one line an order
      const y = named[name]!(x)
      expect(numbers(at.value(y))[0], name).toBeCloseTo(0, 15)
      const stack = numbers(at.stack(y))
      expect(
        [stack[0], stack[2]].map(v => Math.abs(v!)),
        name,
      ).toEqual([0, 0])
      const slope = numbers(grad((v: Tensor) => sum(named[name]!(v)))(make([-Infinity])))
      expect(slope.map(Math.abs), name).toEqual([0])
      const orders = numbers(series(named[name]!, make([[-Infinity], [1], [2]]), 2))
      expect(orders.map(Math.abs), name).toEqual([0, 0, 0].slice(0, orders.length))
      expect(stack[1]! + stack[3]!, name).toBeCloseTo(numbers(at.value(y))[1]!, 6)
    }
  })

  it.each([
    // Values and slopes at −∞ and at +∞.
    ['relu', 0, 0, Infinity, 1],
    ['relu6', 0, 0, 6, 0],
    ['gelu', 0, 0, Infinity, 1],
    ['geluTanh', 0, 0, Infinity, 1],
    ['silu', 0, 0, Infinity, 1],
    ['mish', 0, 0, Infinity, 1],
    ['hardSwish', 0, 0, Infinity, 1],
    ['hardSigmoid', 0, 0, 1, 0],
    ['hardTanh', -1, 0, 1, 0],
    ['sigmoid', 0, 0, 1, 0],
    ['tanh', -1, 0, 1, 0],
    ['erf', -1, 0, 1, 0],
    ['softsign', -1, 0, 1, 0],
    ['softplus', 0, 0, Infinity, 1],
    ['logSigmoid', -Infinity, 1, 0, 0],
    ['elu', -1, 0, Infinity, 1],
    ['celu', -1, 0, Infinity, 1],
    ['leakyRelu', -Infinity, 0.01, Infinity, 1],
  ] as const)('%s has its limits at infinity, in both modes', (name, left, leftSlope, right, rightSlope) => {
    const f = named[name]!
    const x = make([-Infinity, Infinity])
    const close = (got: readonly number[], want: readonly number[]) =>
      got.forEach((v, i) => expect(Math.abs(v - want[i]!) < 1e-6 || v === want[i], `${v} for ${want[i]}`).toBe(true))
    close(numbers(f(x)), [left, right])
    close(numbers(jvp(f, x, make([1, 1]))[1]), [leftSlope, rightSlope])
    close(numbers(grad((v: Tensor) => sum(f(v)))(x)), [leftSlope, rightSlope])
    close(numbers(series(f, make([[-Infinity, Infinity], [1, 1], [0, 0]]), 2)).slice(0, 4), [left, right, leftSlope, rightSlope]) // biome-ignore format: one line
  })

  it('hardSwish and mish have their whole slope where their gates end', () => {
    const slopes = (f: Unary, at: readonly number[]) => numbers(grad((v: Tensor) => sum(f(v)))(make(at)))
    expect(slopes(ops.hardSwish, [-4, 2.9375, 4, 5])).toEqual([0, expect.closeTo(1.47917, 5), 1, 1])
    expect(slopes(ops.mish, [800, 801])).toEqual([1, 1])
  })

  it.each([
    // Derivatives at 2^−10 that vanish at 0, by mpmath; they lie within what the function or its slope rounds to there.
    ['tanh', 2, -0.0019531225164751476],
    ['sigmoid', 2, -0.0001220702736949006],
    ['asin', 2, 0.0009765638969855273],
    ['softplus', 3, -0.0001220702736949006],
    ['silu', 3, -0.0004882810171694193],
    ['geluTanh', 3, -0.0015660803562352827],
  ] as const)('%s keeps the digits of derivative %i near 0', (name, order, exact) => {
    const f = named[name]!
    let derivative = (x: Tensor) => grad((v: Tensor) => sum(f(v)))(x)
    for (let k = 2; k <= order; k++) {
      const before = derivative
      derivative = x => grad((v: Tensor) => sum(before(v)))(x)
      const along = jvp(before, make([2 ** -10]), make([1]))[1].item()
      if (k === order) expect(Math.abs(along / exact - 1)).toBeLessThan(32 * eps)
    }
    expect(Math.abs(derivative(make([2 ** -10])).item() / exact - 1)).toBeLessThan(32 * eps)
  })

  const φ0 = 1 / Math.sqrt(2 * Math.PI)
  it.each([
    // The leading term of the Maclaurin series; the next is smaller by x² = 2^−60.
    ['tanh', 2, -1],
    ['sigmoid', 2, -1 / 16],
    ['softplus', 3, -1 / 48],
    ['silu', 3, -1 / 12],
    ['asin', 2, 1 / 2],
    ['acos', 2, -1 / 2],
    ['atan', 2, -1],
    ['erf', 2, -2 / Math.sqrt(Math.PI)],
    ['normalCdf', 2, -φ0 / 2],
    ['gelu', 3, (-2 / 3) * φ0],
    ['sin', 2, -1 / 2],
    ['cos', 1, -1],
    ['cos', 3, 1 / 6],
    ['tan', 2, 1],
    ['sinh', 2, 1 / 2],
    ['sinh', 4, 1 / 24],
    ['cosh', 1, 1],
    ['cosh', 5, 1 / 120],
  ] as const)('%s keeps the digits of order %i, which vanishes at 0, beside 0', (name, order, slope) => {
    for (const x of [2 ** -30, -(2 ** -30)]) {
      const found = numbers(series(named[name]!, make([[x], [1]]), 6))[order]!
      expect(Math.abs(found / (slope * x) - 1)).toBeLessThan(16 * eps)
    }
  })

  it('orders that are zero stay zero, at poles and where the function is not a number', () => {
    const poles: Record<string, readonly number[]> = {
      log: [0, -0, -1, Infinity, Number.NaN],
      log1p: [-1, -2, Infinity],
      rsqrt: [0, -0, -1, Infinity],
      reciprocal: [0, -0, Infinity],
      'pow -1.5': [0, -1, Infinity],
      asin: [1, -1, 2, Infinity],
      acos: [1, -1, 2, Infinity],
      sinh: [Infinity, -Infinity, 1e4],
      cosh: [Infinity, -Infinity, 1e4],
      tan: [Infinity],
      '1/x': [0, -0],
      logsumexp: [-Infinity],
    }
    const more: Record<string, Unary> = {
      tan: ops.tan,
      '1/x': x => ops.div(1, x),
      logsumexp: x => ops.logsumexp(x, 0, true),
    }
    for (const [name, places] of Object.entries(poles)) {
      const f = more[name] ?? unary[name]!
      for (const x of places) {
        const told = `${name} at ${x}`
        for (const path of [[[x]], [[x], [0], [0], [0]]]) {
          expect(
            numbers(series(f, make(path), 3))
              .slice(1)
              .map(Math.abs),
            told,
          ).toEqual([0, 0, 0])
        }
        expect(Math.abs(jvp(f, make([x]), make([0]))[1].dataSync()[0]!), told).toBe(0)
        // Also before the first order that is not zero, and after it what it makes.
        const late = numbers(series(f, make([[x], [0], [1]]), 2))
        expect(Math.abs(late[1]!), told).toBe(0)
      }
    }
    const least = (f: Unary, x: number) => numbers(series(f, make([[x], [0], [1]]), 2))[2]
    expect(least(ops.log, 0)).toBe(Infinity)
    expect(least(ops.reciprocal, 0)).toBe(-Infinity)
    expect(least(ops.asin, 1)).toBe(Infinity)
    expect(least(ops.acos, -1)).toBe(-Infinity)
    // A product is one of numbers, in series as in runs.
    expect(numbers(jvp((x: Tensor) => ops.mul(x, Infinity), make([1]), make([0]))[1])).toEqual([Number.NaN])
    expect(numbers(jvp((x: Tensor) => pow(x, 2), make([Infinity]), make([0]))[1])).toEqual([Number.NaN])
  })

  it('slopes of sinh and cosh overflow as they do, and are no ∞ − ∞', () => {
    const slopes = (f: Unary, at: readonly number[]) => numbers(grad((v: Tensor) => sum(f(v)))(make(at)))
    const at = [1e4, -1e4, Infinity, -Infinity]
    expect(slopes(ops.sinh, at)).toEqual([Infinity, Infinity, Infinity, Infinity])
    expect(slopes(ops.cosh, at)).toEqual([Infinity, -Infinity, Infinity, -Infinity])
  })

  it('a tie is shared in both modes, and NaN makes value and derivatives NaN', () => {
    const [a, b] = [
      [1, 1, 2, 0, Number.NaN, 1],
      [1, 2, 1, -0, 1, Number.NaN],
    ] as const
    for (const [f, first] of [
      [maximum, [0.5, 0, 1, 0.5]],
      [minimum, [0.5, 1, 0, 0.5]],
    ] as const) {
      const both = vjp<readonly Tensor[]>(([p, q]) => f(p!, q!), [make(a), make(b)])
      const [left, right] = both.pullback(make([1, 1, 1, 1, 1, 1])).map(numbers)
      expect(left).toEqual([...first, Number.NaN, Number.NaN])
      expect(right).toEqual([...first.map(w => 1 - w), Number.NaN, Number.NaN])
      const forward = (u: number, v: number) =>
        numbers(
          jvp<readonly Tensor[]>(
            ([p, q]) => f(p!, q!),
            [make(a), make(b)],
            [make(a.map(() => u)), make(a.map(() => v))],
          )[1],
        )
      expect(forward(1, 0)).toEqual(left)
      expect(forward(0, 1)).toEqual(right)
    }
  })

  it('powers at 0 have the derivatives that exist', () => {
    expect(numbers(series(x => pow(x, 1.5), make([[0], [2]]), 1))).toEqual([0, 0])
    expect(numbers(series(x => pow(x, 2.5), make([[0], [2]]), 2))).toEqual([0, 0, 0])
    expect(numbers(series(x => pow(x, make([1.5])), make([[0], [2]]), 1))).toEqual([0, 0])
    expect(numbers(series(x => ops.sqrt(x), make([[0], [2]]), 1))).toEqual([0, Infinity])
    expect(numbers(series(x => pow(x, 3), make([[0], [2]]), 4))).toEqual([0, 0, 0, 8, 0])
  })
  it('powers of tensors at 0, at negative and at infinite bases have the orders of their polynomials', () => {
    const raised = (base: readonly (readonly number[])[], exponents: readonly number[], order: number) =>
      numbers(series(x => pow(x, make(exponents)), make(base), order)).map(c => c + 0)
    // (2t)^r and (2t²)^r for r = 0, 1, 2, 3, 5, −1, and (t − 2)³
    const twice = [0, 2].map(x => new Array<number>(5).fill(x))
    expect(raised(twice, [0, 1, 2, 3, 5], 4)).toEqual(
      [
        [1, 0, 0, 0, 0],
        [0, 2, 0, 0, 0],
        [0, 0, 4, 0, 0],
        [0, 0, 0, 8, 0],
        [0, 0, 0, 0, 0],
      ].flat(),
    )
    expect(
      raised(
        [
          [0, 0],
          [0, 0],
          [2, 2],
        ],
        [1, 2],
        4,
      ),
    ).toEqual([0, 0, 0, 0, 2, 0, 0, 0, 0, 4])
    expect(raised([[-2], [1]], [3], 4)).toEqual([-8, 12, -6, 1, 0])
    expect(
      raised(
        [
          [Infinity, Infinity, -Infinity, Infinity],
          [1, 1, 1, 1],
        ],
        [0, 1, 2, -1],
        2,
      ),
    ).toEqual(
      [
        [1, Infinity, Infinity, 0],
        [0, 1, -Infinity, 0],
        [0, 0, 1, 0],
      ].flat(),
    )
    // Orders of the exponent too: 0^y = 0, and y without orders is a number.
    const both = ([x, y]: readonly Tensor[]) => pow(x!, y!)
    const [x, y] = [
      make([
        [0, 0],
        [0, 1],
      ]),
      make([
        [2, 3],
        [1, 0],
      ]),
    ]
    expect(numbers(series(both, [x, y], 3))).toEqual([0, 0, 0, 0, 0, 0, 0, 1])
    // Σ_k of the orders of (x_0 + x_1 t)^r is (x_0 + x_1)^r.
    const total = (x: Tensor) => sum(series((z: Tensor) => pow(z, make([2, 3])), x, 3))
    expect(
      numbers(
        grad(total)(
          make([
            [0, 0],
            [1, 2],
          ]),
        ),
      ),
    ).toEqual([2, 12, 2, 12])
  })
})
