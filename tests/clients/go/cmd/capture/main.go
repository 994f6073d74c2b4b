// Capture is a proxy that keeps every Produce request it passes on:
//
//	capture -listen 127.0.0.1:P -broker HOST:PORT -topics a:3,b:1 -config segment.bytes=1048576 -out FILE
//
// It creates the topics first, prints "ready", and writes the file when it gets SIGTERM. The broker must
// advertise the proxy's address, so that clients stay behind it.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"millstream/clients/internal/stream"
)

var (
	listen = flag.String("listen", "", "address to listen on")
	broker = flag.String("broker", "", "address of the broker")
	wanted = flag.String("topics", "", "name:partitions,...")
	config = flag.String("config", "", "key=value,... of each topic")
	out    = flag.String("out", "", "the stream file")

	lock   sync.Mutex
	frames [][]byte
)

func main() {
	flag.Parse()
	listener, err := net.Listen("tcp", *listen)
	must(err)
	go func() {
		for {
			client, err := listener.Accept()
			must(err)
			go pass(client)
		}
	}()
	topics := createTopics()
	fmt.Println("ready")

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
	lock.Lock()
	must(stream.Write(*out, topics, frames))
	log.Printf("captured %d Produce requests", len(frames))
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// pass carries one connection both ways and keeps its Produce requests.
func pass(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", *broker)
	must(err)
	defer server.Close()
	go func() {
		io.Copy(client, server)
		client.Close()
	}()
	for {
		frame, err := stream.Frame(client)
		if err != nil {
			return
		}
		length := uint32(len(frame))
		whole := append([]byte{byte(length >> 24), byte(length >> 16), byte(length >> 8), byte(length)}, frame...)
		if stream.Key(frame) == stream.ProduceKey {
			// The order in the file is the order on the way to the broker.
			lock.Lock()
			frames = append(frames, frame)
			_, err = server.Write(whole)
			lock.Unlock()
		} else {
			_, err = server.Write(whole)
		}
		if err != nil {
			return
		}
	}
}

func createTopics() []stream.Topic {
	client, err := kgo.NewClient(kgo.SeedBrokers(*broker))
	must(err)
	defer client.Close()
	configs, settings := map[string]string{}, map[string]*string{}
	for pair := range strings.SplitSeq(*config, ",") {
		if key, value, found := strings.Cut(pair, "="); found {
			configs[key], settings[key] = value, &value
		}
	}
	admin := kadm.NewClient(client)
	var topics []stream.Topic
	for each := range strings.SplitSeq(*wanted, ",") {
		name, count, _ := strings.Cut(each, ":")
		partitions, err := strconv.Atoi(count)
		must(err)
		created, err := admin.CreateTopic(context.Background(), int32(partitions), 1, settings, name)
		must(err)
		must(created.Err)
		topics = append(topics, stream.Topic{Name: name, Partitions: int32(partitions), Configs: configs, ID: created.ID})
	}
	time.Sleep(500 * time.Millisecond) // until each partition has its leader
	return topics
}
