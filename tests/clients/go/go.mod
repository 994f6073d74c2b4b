module millstream/clients

go 1.26.8

require github.com/segmentio/kafka-go v0.4.50

require (
	github.com/klauspost/compress v1.20.3 // indirect
	github.com/pierrec/lz4/v4 v4.1.33 // indirect
)
