export * from '@unravel/report'
