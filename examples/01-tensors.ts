// Tensors: values, broadcasting, reductions, files of NumPy.
import { add, matmul, mean, readNpy, softmax, tensor, transpose, writeNpy } from '@unravel/tensor'

const a = tensor([
  [1, 2, 3],
  [4, 5, 6],
])
console.log(`${a}`)
//> f32[2,3]
//> [[1. 2. 3.]
//>  [4. 5. 6.]]

// A row is added to every row, as in NumPy.
console.log(add(a, tensor([10, 20, 30])).toArray())
//> [ [ 11, 22, 33 ], [ 14, 25, 36 ] ]

console.log(matmul(a, transpose(a)).toArray(), mean(a, 0).toArray())
//> [ [ 14, 32 ], [ 32, 77 ] ] [ 2.5, 3.5, 4.5 ]

const p = softmax(tensor([1, 2, 3], { dtype: 'f64' }))
console.log(Array.from(p.dataSync(), value => value.toFixed(4)))
//> [ '0.0900', '0.2447', '0.6652' ]

// The bytes of a .npy file, and back.
const bytes = await writeNpy(a)
console.log(bytes.length, readNpy(bytes).shape)
//> 152 [ 2, 3 ]
