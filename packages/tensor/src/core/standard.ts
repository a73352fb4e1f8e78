import { type Backend, bareJs } from '@unravel/kernels'

/** The backend of tensors where none is named, in browsers: js, for a page fetches the WebAssembly module only if it asks for it. */
export const standardBackend = (): Backend => bareJs()
