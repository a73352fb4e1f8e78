/** Folders of the packages that npm gets, each after those that it imports. */
export const folders = [
  'kernels',
  'packages/tensor',
  'packages/resnet',
  'packages/graph',
  'packages/expansion',
  'packages/report',
  'packages/unravel',
]
