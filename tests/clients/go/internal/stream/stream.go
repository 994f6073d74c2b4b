// Package stream is a file of captured Produce requests: the topics they need, then the frames in the
// order in which they reached the broker.
package stream

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"io"
	"os"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Topic is one that the requests write to. ID is the one it had where they were captured.
type Topic struct {
	Name       string
	Partitions int32
	Configs    map[string]string
	ID         [16]byte
}

// Write makes a stream file.
func Write(path string, topics []Topic, frames [][]byte) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	out := bufio.NewWriter(file)
	head, err := json.Marshal(topics)
	if err != nil {
		return err
	}
	for _, frame := range append([][]byte{head}, frames...) {
		binary.Write(out, binary.BigEndian, uint32(len(frame)))
		out.Write(frame)
	}
	return out.Flush()
}

// Read reads a stream file.
func Read(path string) (topics []Topic, frames [][]byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	in := bufio.NewReader(file)
	head, err := Frame(in)
	if err != nil {
		return nil, nil, err
	}
	if err := json.Unmarshal(head, &topics); err != nil {
		return nil, nil, err
	}
	for {
		frame, err := Frame(in)
		if err == io.EOF {
			return topics, frames, nil
		}
		if err != nil {
			return nil, nil, err
		}
		frames = append(frames, frame)
	}
}

// Frame reads one length-prefixed frame, without its length.
func Frame(in io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(in, length[:]); err != nil {
		return nil, err
	}
	frame := make([]byte, binary.BigEndian.Uint32(length[:]))
	_, err := io.ReadFull(in, frame)
	return frame, err
}

// ProduceKey is Produce's API key.
const ProduceKey = 0

// Key is a request frame's API key.
func Key(frame []byte) int16 { return int16(binary.BigEndian.Uint16(frame)) }

// Produce decodes a Produce request frame.
func Produce(frame []byte) (*kmsg.ProduceRequest, error) {
	request := kmsg.NewPtrProduceRequest()
	request.SetVersion(int16(binary.BigEndian.Uint16(frame[2:])))
	client := int(int16(binary.BigEndian.Uint16(frame[8:])))
	body := frame[10+max(client, 0):]
	if request.IsFlexible() {
		body = body[1:] // no client sends tags in the header
	}
	return request, request.ReadFrom(body)
}
