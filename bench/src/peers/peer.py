"""NumPy or PyTorch as a peer: reads one JSON request per line, answers with one JSON line.

Arrays travel through files of raw numbers. Times are taken here, by time.perf_counter, so that the pipe costs nothing.
"""
import importlib.util
import json
import sys
import time

KIND = sys.argv[1]
import numpy as np

if KIND == 'torch':
    import torch

    torch.set_num_threads(1)

FLOATS = {'f32': np.float32, 'f64': np.float64}
works = {}


def arrays(work):
    return {
        name: np.fromfile(a['file'], dtype=FLOATS[a['dtype']]).reshape(a['shape'])
        for name, a in work['arrays'].items()
    }


def numpy_work(w, a):
    kind = w['kind']
    if kind == 'matmul':
        x = a['a'].T if w['transA'] else a['a']
        y = a['b'].T if w['transB'] else a['b']
        return lambda: x @ y
    if kind == 'add':
        return lambda: a['a'] + a['b']
    if kind == 'map' and w['op'] != 'gelu':
        f = getattr(np, w['op'])
        return lambda: f(a['x'])
    if kind in ('sum', 'sumRows', 'sumColumns'):
        axis = {'sum': None, 'sumRows': 1, 'sumColumns': 0}[kind]
        return lambda: a['x'].sum(axis=axis)
    if kind == 'tower':

        def tower():
            h = a['x']
            for W, V in zip(a['first'], a['second']):
                h = h + np.tanh(h @ W) @ V * w['scale']
            return h

        return tower
    if kind == 'training':
        return numpy_training(w, a)
    return None


def numpy_training(w, a):
    """The step with its gradient written by hand."""
    first, second, scale = list(a['first']), list(a['second']), np.float32(w['scale'])
    rate = np.float32(w['rate'])

    def step():
        h, saved = a['x'], []
        for W, V in zip(first, second):
            t = np.tanh(h @ W)
            saved.append((h, t))
            h = h + (t @ V) * scale
        e = h - a['target']
        loss = float((e * e).mean())
        c = e * np.float32(2 / e.size)
        for l in range(len(first) - 1, -1, -1):
            h, t = saved[l]
            s = c * scale
            u = (s @ second[l].T) * (1 - t * t)
            second[l] = second[l] - rate * (t.T @ s)
            c = c + u @ first[l].T
            first[l] = first[l] - rate * (h.T @ u)
        return np.concatenate([np.array([loss]), first[0].ravel(), second[-1].ravel()])

    return step


def torch_work(w, a):
    t = {k: torch.from_numpy(v) for k, v in a.items()}
    kind = w['kind']
    functional = torch.nn.functional
    if kind == 'matmul':
        x = t['a'].t() if w['transA'] else t['a']
        y = t['b'].t() if w['transB'] else t['b']
        return lambda: x @ y
    if kind == 'add':
        return lambda: t['a'] + t['b']
    if kind == 'map':
        f = {'exp': torch.exp, 'tanh': torch.tanh, 'gelu': functional.gelu}[w['op']]
        return lambda: f(t['x'])
    if kind == 'softmax':
        return lambda: torch.softmax(t['x'], 1)
    if kind == 'layerNorm':
        return lambda: functional.layer_norm(t['x'], [w['n']])
    if kind in ('sum', 'sumRows', 'sumColumns'):
        return {'sum': lambda: t['x'].sum(), 'sumRows': lambda: t['x'].sum(1), 'sumColumns': lambda: t['x'].sum(0)}[kind]
    if kind == 'conv':
        if not w['backward']:
            return lambda: functional.conv2d(t['x'], t['w'], padding=1, groups=w['groups'])

        def both():
            x, k = t['x'].detach().requires_grad_(), t['w'].detach().requires_grad_()
            y = functional.conv2d(x, k, padding=1, groups=w['groups'])
            (0.5 * (y * y).sum()).backward()
            return torch.cat([x.grad.reshape(-1), k.grad.reshape(-1)])

        return both
    if kind == 'tower':

        def tower():
            with torch.no_grad():
                h = t['x']
                for W, V in zip(t['first'], t['second']):
                    h = h + torch.tanh(h @ W) @ V * w['scale']
                return h

        return tower
    if kind == 'training':
        return torch_training(w, t)
    if kind == 'taylor':
        return torch_taylor(w, t)
    if kind == 'steps':
        return torch_steps(w, t)
    return None


def torch_steps(w, t):
    """Training steps of a network of the file `record`, whose parameters come in the order of their names."""
    spec = importlib.util.spec_from_file_location('record', w['record'])
    record = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(record)
    model = getattr(record, w['network'])(*w['arguments']).train()
    named = sorted(model.named_parameters())
    assert len(named) == w['parameters'], 'other parameters than ours'
    with torch.no_grad():
        for i, (_, p) in enumerate(named):
            p.copy_(t[str(i)].reshape(p.shape))
    if w['optimiser'] == 'sgd':
        rule = torch.optim.SGD(model.parameters(), lr=w['rate'], momentum=0.9, weight_decay=5e-4)
    else:
        rule = torch.optim.AdamW(model.parameters(), lr=w['rate'], weight_decay=0.05)
    labels = torch.tensor(w['labels'])

    def step():
        rule.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(t['x']), labels)
        loss.backward()
        rule.step()
        return loss.detach().reshape(1)

    # The first result is that of three steps; afterwards every call is one.
    first = [True]

    def steps():
        if not first[0]:
            return step()
        first[0] = False
        return torch.cat([step() for _ in range(3)])

    return steps


def torch_training(w, t):
    first = [W.clone().requires_grad_() for W in t['first']]
    second = [V.clone().requires_grad_() for V in t['second']]
    parameters = first + second
    sgd = torch.optim.SGD(parameters, lr=w['rate'])

    def step():
        sgd.zero_grad()
        h = t['x']
        for W, V in zip(first, second):
            h = h + torch.tanh(h @ W) @ V * w['scale']
        loss = ((h - t['target']) ** 2).mean()
        loss.backward()
        sgd.step()
        return lambda: torch.cat([loss.detach().reshape(1), first[0].detach().reshape(-1), second[-1].detach().reshape(-1)])

    return step


def torch_taylor(w, t):
    """The recurrence of tanh, one product per matrix for all orders."""
    orders = w['orders']
    b, n = t['x'].shape

    def taylor():
        h = torch.zeros(orders + 1, b, n, dtype=t['x'].dtype)
        h[0] = t['x']
        stored = 1
        for l, (W, V) in enumerate(zip(t['first'], t['second'])):
            used = 1 if l == 0 else orders
            u = h[:used] @ W
            y = torch.empty_like(u)
            s = torch.empty_like(u)
            y[0] = torch.tanh(u[0])
            s[0] = 1 - y[0] * y[0]
            factors = torch.arange(used, dtype=u.dtype).reshape(-1, 1, 1)
            ku = u * factors
            for k in range(1, used):
                y[k] = (ku[1 : k + 1] * s[:k].flip(0)).sum(0) / k
                s[k] = -(y[: k + 1] * y[: k + 1].flip(0)).sum(0)
            h[1 : used + 1] += (y @ V) * w['scale']
        return h

    return taylor


def numbers(y):
    if callable(y):
        y = y()
    if KIND == 'torch':
        y = y.detach().numpy()
    return np.asarray(y, dtype=np.float64).ravel()


def sample(f, seconds):
    """Seconds per call, over at least `seconds` seconds."""
    count = 1
    while True:
        begin = time.perf_counter()
        for _ in range(count):
            f()
        elapsed = time.perf_counter() - begin
        if elapsed >= seconds:
            return elapsed / count
        count = max(count + 1, int(count * min(100, 1.1 * seconds / max(elapsed, 1e-9))))


def blas():
    """What this process multiplies matrices with: OpenBLAS, reference BLAS, or '' where that cannot be seen."""
    np.ones((8, 8)) @ np.ones((8, 8))
    try:
        with open('/proc/self/maps') as maps:
            files = {line.split()[-1].lower() for line in maps if '.so' in line}
    except OSError:
        return ''
    if any('openblas' in f for f in files):
        return 'OpenBLAS'
    return 'reference BLAS' if any('libblas.so' in f for f in files) else ''


def answer(request):
    do = request['do']
    if do == 'hello':
        version = torch.__version__ if KIND == 'torch' else np.__version__
        return {'version': version, 'blas': blas()}
    if do == 'prepare':
        w = request['work']
        f = (torch_work if KIND == 'torch' else numpy_work)(w, arrays(w))
        if f is None:
            return {'has': False}
        works[request['id']] = f
        return {'has': True}
    f = works[request['id']]
    if do == 'result':
        values = numbers(f())
        values.tofile(request['file'])
        return {'length': int(values.size)}
    if do == 'sample':
        return {'seconds': sample(f, request['seconds'])}
    del works[request['id']]
    return {}


for line in sys.stdin:
    try:
        reply = answer(json.loads(line))
    except Exception as error:
        reply = {'error': f'{type(error).__name__}: {error}'}
    print(json.dumps(reply), flush=True)
