//go:build oldest

package sarama

const oldest = true
