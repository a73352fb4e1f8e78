import { type Backend, bareJs } from '@unravel/kernels'

/** The backend of tensors where none is named, in browsers: js, which is said where it is `used`, for a page fetches the WebAssembly
 *  module only if it asks for it. */
export function standardBackend(used: boolean): Backend {
  if (used) {
    console.warn(
      'unravel: tensors are made on the js backend; useBackend(wasm()) is several times faster, for 60 KB more',
    )
  }
  return bareJs()
}
