// Command member hosts members of groups by one of the Go clients; python/groups.py, which drives it, says in what words.
//
//	member kafka-go|kafka-go-generations|franz-go|sarama
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A member is one of a group, from its start to its leave.
type member struct {
	name     string
	settings map[string]string
	// leaving ends when it is told to leave.
	leaving context.Context
	leave   context.CancelFunc
	pauses  chan time.Duration
	mutex   sync.Mutex
	held    map[string]bool
}

// clients run a member until it has left.
var clients = map[string]func(*member) error{
	"kafka-go": readGroup, "kafka-go-generations": readGenerations, "franz-go": pollGroup, "sarama": consumeGroup,
}

func main() {
	run := clients[os.Args[1]]
	if run == nil {
		fmt.Fprintln(os.Stderr, "no client", os.Args[1])
		os.Exit(2)
	}
	members := map[string]*member{}
	commands := bufio.NewScanner(os.Stdin)
	commands.Buffer(nil, 1<<20)
	for commands.Scan() {
		words := strings.Fields(commands.Text())
		switch name := words[1]; words[0] {
		case "start":
			m := newMember(name, words[2:])
			members[name] = m
			go func() {
				if err := run(m); err != nil {
					say(name, "failed", strings.Join(strings.Fields(err.Error()), " "))
				} else {
					say(name, "left")
				}
			}()
		case "pause":
			milliseconds, _ := strconv.Atoi(words[2])
			members[name].pauses <- time.Duration(milliseconds) * time.Millisecond
		case "leave":
			members[name].leave()
		}
	}
}

func newMember(name string, words []string) *member {
	m := &member{name: name, settings: map[string]string{}, pauses: make(chan time.Duration, 1), held: map[string]bool{}}
	m.leaving, m.leave = context.WithCancel(context.Background())
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		m.settings[key] = value
	}
	return m
}

var output sync.Mutex

func say(words ...string) {
	output.Lock()
	defer output.Unlock()
	os.Stdout.WriteString(strings.Join(words, " ") + "\n")
}

func (m *member) duration(setting string) time.Duration {
	milliseconds, err := strconv.Atoi(m.settings[setting])
	if err != nil {
		panic(fmt.Sprintf("%s=%q", setting, m.settings[setting]))
	}
	return time.Duration(milliseconds) * time.Millisecond
}

func (m *member) topics() []string { return strings.Split(m.settings["topics"], ",") }

// gains and loses change what the member has.
func (m *member) gains(partitions map[string][]int32) { m.change(partitions, true) }
func (m *member) loses(partitions map[string][]int32) { m.change(partitions, false) }

func (m *member) change(partitions map[string][]int32, held bool) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for topic, numbers := range partitions {
		for _, number := range numbers {
			place := fmt.Sprintf("%s/%d", topic, number)
			if held {
				m.held[place] = true
			} else {
				delete(m.held, place)
			}
		}
	}
	words := []string{m.name, "have"}
	for place := range m.held {
		words = append(words, place)
	}
	sort.Strings(words[2:])
	say(words...)
}

func (m *member) handled(topic string, partition int32, offset int64, value []byte) {
	say(m.name, "handled", fmt.Sprintf("%s/%d/%d/%s", topic, partition, offset, value))
}

// rest does nothing for as long as the member was told to.
func (m *member) rest() {
	select {
	case pause := <-m.pauses:
		time.Sleep(pause)
	default:
	}
}

func (m *member) left() bool { return m.leaving.Err() != nil }

func broker() []string { return []string{os.Getenv("BROKER")} }

// complain tells people what a client reports and goes on after.
func complain(what ...any) { fmt.Fprintln(os.Stderr, what...) }

// soon is as long as an answer may take.
func soon() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 10*time.Second)
}
