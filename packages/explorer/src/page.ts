import { figureScript, inspectionTable, streamPicture, termsIn } from '@unravel/report'
import type { Activation, ScaleRule } from '@unravel/resnet'
import { messageOf } from '@unravel/tensor/internals'
import { plotsOf } from './plots.js'
import type { Answer, Found, GraphNetwork, Network, OwnNetwork, Question } from './study.js'
import type { Ask, Told } from './worker.js'

const element = <T extends HTMLElement>(id: string) => document.getElementById(id) as T
const form = element<HTMLFormElement>('form')
const [status, error, found] = [element('status'), element('error'), element('found')]
const [stop, save] = [element<HTMLButtonElement>('stop'), element<HTMLButtonElement>('save')]

let own: OwnNetwork | GraphNetwork | null = null
let answer: Answer | null = null
let worker: Worker | null = null
/** The network that the worker holds, as text: it is sent once. */
let held = ''
let busy = false
/** The form has changed since the question that is being answered. */
let stale = false

const field = (name: string): string => String(new FormData(form).get(name) ?? '')
const integer = (name: string): number => Number(field(name))

function networkOf(): Network | null {
  if (field('network') === 'own') return own
  return {
    kind: 'drawn',
    depth: integer('depth'),
    width: integer('width'),
    activation: field('activation') as Activation,
    norm: field('norm') as 'none' | 'layer' | 'rms',
    seed: integer('seed'),
  }
}

const factor = (): number => 2 ** Number(field('factor'))

const scales: Readonly<Record<string, ScaleRule | null>> = {
  own: null,
  constant: { rule: 'constant', value: 1 },
  '1/n': { rule: '1/n' },
  '1/sqrt(n)': { rule: '1/sqrt(n)' },
}

const question = (): Question => ({
  expansion: field('expansion') as Question['expansion'],
  orders: integer('orders'),
  scale: scales[field('scale')]!,
  factor: factor(),
  target: field('expansion') === 'gradient' ? integer('target') : 0,
  dtype: field('dtype') as Question['dtype'],
  backend: field('backend') as Question['backend'],
  output: field('output') || null,
  sites: (field('sites') || null) as Question['sites'],
})

const isGraph = (): boolean => field('network') === 'own' && own?.kind === 'graph'

/** Shows the fields that matter. */
function arrange(): void {
  for (const part of form.querySelectorAll<HTMLElement>('[data-network]')) {
    part.hidden = part.dataset.network !== field('network')
  }
  for (const part of form.querySelectorAll<HTMLElement>('[data-expansion]')) {
    part.hidden = part.dataset.expansion !== field('expansion')
  }
  for (const part of document.querySelectorAll<HTMLElement>('[data-graph]')) part.hidden = !isGraph()
  const times = String(Number(factor().toPrecision(3)))
  element('factor').textContent = times
  element('lambda').textContent = lambda()
  const slider = form.querySelector<HTMLInputElement>('[name=factor]')!
  slider.setAttribute('aria-valuetext', `times ${times}, ${lambda()}`)
}

/** The scale of every branch, as far as it is known before the network is. */
function lambda(): string {
  const n = field('network') === 'drawn' ? integer('depth') : answer?.document.blocks
  const rule = field('scale')
  const times = factor()
  const known = (value: number) => `λ = ${Number(value.toPrecision(3))}`
  if (rule === 'own') return `${Number(times.toPrecision(3))} times the network’s own λ`
  if (rule === 'constant') return known(times)
  if (n === undefined) return `λ = ${Number(times.toPrecision(3))} · ${rule}`
  return known(n === 0 ? 0 : times / (rule === '1/n' ? n : Math.sqrt(n)))
}

/** Keeps the form in the address, so that a page can be sent, marked and reloaded. */
function remember(): void {
  const fields = [...new FormData(form)].filter((entry): entry is [string, string] => typeof entry[1] === 'string')
  history.replaceState(null, '', `#${new URLSearchParams(fields)}`)
}

/** Fills the form from the address; a choice that the form does not offer is left out. */
function recall(): void {
  for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
    // By name alone: elements of the form are also found by id.
    const at = form.querySelector(`[name="${CSS.escape(name)}"]`)
    if (at instanceof HTMLInputElement && at.type !== 'file') at.value = value
    if (at instanceof HTMLSelectElement && [...at.options].some(option => option.value === value)) at.value = value
  }
}

function fail(message: string): void {
  error.textContent = message
  error.hidden = false
  found.classList.add('old')
}

/** Asks what the form says, now or as soon as the worker is free. */
function ask(): void {
  arrange()
  remember()
  stale = true
  found.classList.add('old')
  save.disabled = true
  if (busy) return
  stale = false
  const network = networkOf()
  if (network === null) {
    status.textContent = 'Choose the files of a network, or its folder.'
    return
  }
  if (!form.reportValidity()) return
  busy = true
  stop.disabled = false
  status.textContent = 'Computing …'
  const key = network.kind === 'drawn' ? JSON.stringify(network) : `own ${network.name}`
  const message: Ask = key === held ? { question: question() } : { network, question: question() }
  held = key
  started().postMessage(message)
}

function started(): Worker {
  if (worker !== null) return worker
  worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
  worker.addEventListener('message', ({ data }: MessageEvent<Told>) => hear(data))
  worker.addEventListener('error', event => {
    halt()
    fail(event.message || 'the page could not start its worker')
  })
  return worker
}

function hear(told: Told): void {
  if ('done' in told) {
    status.textContent = `Computing: ${told.done} of ${told.of} blocks …`
    return
  }
  if ('found' in told) return describe(told.found)
  busy = false
  stop.disabled = true
  status.textContent = ''
  if ('error' in told) fail(told.error)
  else show(told.answer)
  arrange()
  if (stale) ask()
}

/** Shows what is in a graph: the picture of its stream, and the rest folded away. */
function describe({ network, output }: Found): void {
  const select = form.querySelector<HTMLSelectElement>('[name=output]')!
  select.replaceChildren(...network.outputs.map(o => new Option(o.name, o.name, false, o.name === output)))
  element('stream').innerHTML = streamPicture(network)
  element('inspection').textContent = inspectionTable(own!.name, network)
}

function show(next: Answer): void {
  answer = next
  error.hidden = true
  found.hidden = false
  found.classList.remove('old')
  save.disabled = false
  status.textContent = next.ran
  const plots = element('plots')
  plots.innerHTML = plotsOf(next.document)
    .map(svg => `<div>${svg}</div>`)
    .join('')
  plots.append(Object.assign(document.createElement('script'), { textContent: figureScript }))
  element('table').replaceChildren(...tableParts(next.table))
  const terms = termsIn(`${plots.textContent}\n${next.table}`)
  element('glossary').replaceChildren(
    ...terms.flatMap(({ term, meaning }) => [
      Object.assign(document.createElement('dt'), { textContent: term }),
      Object.assign(document.createElement('dd'), { textContent: meaning }),
    ]),
  )
}

/** Longer tables show their first rows and fold the others away. */
const FOLDED = 50
const HEAD_ROWS = 20

/** A text of paragraphs: sentences wrap, tables of numbers scroll. */
function tableParts(text: string): HTMLElement[] {
  const pre = (textContent: string, className = '') =>
    Object.assign(document.createElement('pre'), { textContent, className })
  return text.split(/(?<=\n\n)/).flatMap(paragraph => {
    const lines = paragraph.split(/(?<=\n)/)
    const isTable = lines.length > 1 && lines.slice(0, 2).every(line => /\S {2,}\S/.test(line))
    if (!isTable) return [pre(paragraph, 'words')]
    if (lines.length <= FOLDED) return [pre(paragraph)]
    const rest = lines.slice(HEAD_ROWS)
    const folded = document.createElement('details')
    const summary = Object.assign(document.createElement('summary'), {
      textContent: `${rest.filter(line => line.trim() !== '').length} more rows`,
    })
    folded.append(summary, pre(rest.join('')))
    return [pre(lines.slice(0, HEAD_ROWS).join('')), folded]
  })
}

/** Ends a computation: a worker cannot be interrupted otherwise. */
function halt(): void {
  worker?.terminate()
  worker = null
  held = ''
  busy = stale = false
  stop.disabled = true
  status.textContent = 'Stopped.'
}

/** Weights as the folders of torch, Hugging Face and timm have them. */
const isWeights = (name: string): boolean => /\.(safetensors|bin|pt|pth|index\.json)$/.test(name)

/** Files that hold a graph of operators: ONNX files, or a model.json of TensorFlow.js, known by what is in it. */
async function graphsIn(files: readonly File[]): Promise<File[]> {
  const isGraphFile = async (file: File) =>
    /\.onnx$/i.test(file.name) ||
    (/\.json$/i.test(file.name) && !isWeights(file.name) && (await file.text()).includes('"modelTopology"'))
  const are = await Promise.all(files.map(isGraphFile))
  return files.filter((_, i) => are[i])
}

/** Takes the files of a folder, called by its name, or files that were chosen one by one. */
async function take(files: Iterable<File>, folder?: string): Promise<void> {
  const all = [...files]
  const graphs = await graphsIn(all)
  if (graphs.length > 1) {
    const names = graphs.map(file => file.name)
    const some = names.length > 6 ? [...names.slice(0, 6), '…'] : names
    return fail(`${graphs.length} networks (${some.join(', ')}): choose one, with the files of its weights`)
  }
  const chosen = graphs.length === 1 ? await graphNetwork(graphs[0]!, all) : await ownNetwork(all, folder)
  if (chosen === null) return
  own = chosen.network
  held = ''
  element('chosen').textContent = chosen.files.map(file => file.name).join(', ')
  form.querySelector('[name=output]')!.replaceChildren()
  element('stream').replaceChildren()
  element('inspection').textContent = ''
  form.querySelector<HTMLSelectElement>('[name=network]')!.value = 'own'
  form.querySelector<HTMLSelectElement>('[name=scale]')!.value = 'own'
  ask()
}

const inputText = (input: File | undefined): string => (input === undefined ? 'drawn inputs' : input.name)
const bytesOf = async (file: File) => new Uint8Array(await file.arrayBuffer())

async function graphNetwork(model: File, all: readonly File[]) {
  const input = all.find(file => /\.np[yz]$/i.test(file.name))
  const network: GraphNetwork = {
    kind: 'graph',
    name: `${model.name} and ${inputText(input)}`,
    model: model.name,
    files: new Map(all.filter(file => file !== input).map(file => [file.name, file])),
    ...(input !== undefined && { input: await bytesOf(input) }),
  }
  return { network, files: all }
}

async function ownNetwork(all: readonly File[], folder: string | undefined) {
  const named = (wanted: (name: string) => boolean) => all.find(file => wanted(file.name))
  const config = named(name => name === 'config.json') ?? named(name => name.endsWith('.json') && !isWeights(name))
  const weights = all.filter(file => isWeights(file.name))
  const input = named(name => name.endsWith('.npy'))
  const missing = [...(config ? [] : ['config.json']), ...(weights.length > 0 ? [] : ['model.safetensors'])]
  if (!config || missing.length > 0) {
    fail(`missing: ${missing.join(', ')}; choose all three files at once`)
    return null
  }
  // One file of weights by itself may be called anything.
  const [only] = weights
  const usual = weights.length === 1 && only!.name.endsWith('.safetensors') ? 'model.safetensors' : undefined
  const network: OwnNetwork = {
    kind: 'own',
    name: `${folder ?? only!.name} and ${inputText(input)}`,
    config: await config.text(),
    files: new Map(weights.map(file => [usual ?? file.name, file])),
    ...(input !== undefined && { input: await bytesOf(input) }),
  }
  return { network, files: [config, ...weights, ...(input ? [input] : [])] }
}

/** Files of what was dropped: of folders those that lie in them, without deeper ones. */
async function dropped(items: DataTransferItemList): Promise<{ files: File[]; folder: string | undefined }> {
  // The list is empty as soon as the event is over.
  const entries = [...items].map(item => item.webkitGetAsEntry()).filter(entry => entry !== null)
  const fileOf = (entry: FileSystemFileEntry) => new Promise<File>((done, failed) => entry.file(done, failed))
  const files: File[] = []
  for (const entry of entries) {
    if (entry.isFile) files.push(await fileOf(entry as FileSystemFileEntry))
    else for (const inner of await entriesOf(entry as FileSystemDirectoryEntry)) files.push(await fileOf(inner))
  }
  return { files, folder: entries.find(entry => entry.isDirectory)?.name }
}

/** The files in a folder; browsers list at most a hundred entries at a time. */
async function entriesOf(folder: FileSystemDirectoryEntry): Promise<FileSystemFileEntry[]> {
  const reader = folder.createReader()
  const found: FileSystemEntry[] = []
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((done, failed) => reader.readEntries(done, failed))
    if (some.length === 0) return found.filter(entry => entry.isFile) as FileSystemFileEntry[]
    found.push(...some)
  }
}

function download(): void {
  const url = URL.createObjectURL(new Blob([`${JSON.stringify(answer!.document)}\n`], { type: 'application/json' }))
  const link = Object.assign(document.createElement('a'), { href: url, download: 'expansion.json' })
  link.click()
  URL.revokeObjectURL(url)
}

form.addEventListener('input', ask)
form.addEventListener('submit', event => event.preventDefault())
stop.addEventListener('click', halt)
save.addEventListener('click', download)
element<HTMLInputElement>('files').addEventListener('change', event => {
  const { files } = event.target as HTMLInputElement
  if (files !== null && files.length > 0) void take(files)
})
element<HTMLInputElement>('folder').addEventListener('change', event => {
  const { files } = event.target as HTMLInputElement
  const own = [...(files ?? [])].filter(file => file.webkitRelativePath.split('/').length === 2)
  if (own.length > 0) void take(own, own[0]!.webkitRelativePath.split('/')[0])
})
document.addEventListener('dragover', event => event.preventDefault())
document.addEventListener('drop', event => {
  event.preventDefault()
  if (event.dataTransfer === null) return
  dropped(event.dataTransfer.items)
    .then(({ files, folder }) => take(files, folder))
    .catch(error => fail(`the dropped files could not be read: ${messageOf(error)}`))
})
recall()
ask()
