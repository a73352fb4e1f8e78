import { messageOf } from '@unravel/tensor/internals'
import { type Answer, type Found, type Network, type Question, Study } from './study.js'

/** To the worker: a question, and the network when it is another one than before. */
export interface Ask {
  readonly network?: Network
  readonly question: Question
}
/** From the worker: blocks that are done, what is in a graph, or how it ended. */
export type Told =
  | { readonly done: number; readonly of: number }
  | { readonly found: Found }
  | { readonly answer: Answer }
  | { readonly error: string }

const tell = (told: Told) => self.postMessage(told)
let study: Study | null = null

self.addEventListener('message', async ({ data }: MessageEvent<Ask>) => {
  try {
    if (data.network !== undefined) study = new Study(data.network)
    const found = study!.found(data.question)
    if (found !== undefined) tell({ found })
    tell({ answer: await study!.answer(data.question, (done, of) => tell({ done, of })) })
  } catch (error) {
    tell({ error: messageOf(error) })
  }
})
