// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)

// Requests and answers that are hard to follow: every call on the connection is made by a
// goroutine of its own, from a stack that is new and small or has just been made large, into
// buffers on that stack; another goroutine reads while one writes, and memory is collected all
// the time, which makes stacks small again.
package main

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"math/rand"
	"net"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

const largest = 40000

// A net.Conn that is no net.TCPConn.
type wrapped struct {
	name string
	net.Conn
}

type wrappingListener struct{ net.Listener }

func (l wrappingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &wrapped{"wrapped", conn}, nil
}

func listen(o *options) net.Listener {
	listener, err := net.Listen("tcp", o.listen)
	die(err)
	if o.wrap {
		return wrappingListener{listener}
	}
	return listener
}

// Runs f with `depth` more frames of 512 bytes on the stack.
func deep(depth int, f func() error) error {
	var frame [512]byte
	if depth == 0 {
		return f()
	}
	frame[depth%len(frame)] = byte(depth)
	err := deep(depth-1, f)
	runtime.KeepAlive(&frame)
	return err
}

// Runs f in a new goroutine.
func elsewhere(f func() error) error {
	done := make(chan error)
	go func() { done <- f() }()
	return <-done
}

// The buffer is an array on the stack: conn has its own type here, so nothing escapes.
func readSome(conn *tls.Conn, to []byte) (int, error) {
	var small [700]byte
	if len(to) > len(small) {
		return conn.Read(to)
	}
	n, err := conn.Read(small[:len(to)])
	copy(to, small[:n])
	return n, err
}

func writeAll(conn *tls.Conn, from []byte) error {
	var small [700]byte
	if len(from) > len(small) {
		_, err := conn.Write(from)
		return err
	}
	n := copy(small[:], from)
	_, err := conn.Write(small[:n])
	return err
}

func readFull(conn *tls.Conn, to []byte, turn int) error {
	for done := 0; done < len(to); {
		err := elsewhere(func() error {
			return deep(turn%23, func() error {
				n, err := readSome(conn, to[done:])
				done += n
				return err
			})
		})
		if err != nil && done < len(to) {
			return err
		}
		turn++
	}
	return nil
}

func readMessage(conn *tls.Conn, turn int) ([]byte, error) {
	var head [4]byte
	if err := readFull(conn, head[:], turn); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(head[:])
	if length > largest {
		return nil, fmt.Errorf("a message of %d bytes", length)
	}
	message := make([]byte, 4+length)
	copy(message, head[:])
	return message, readFull(conn, message[4:], turn+7)
}

func writeMessage(conn *tls.Conn, message []byte, turn int) error {
	return elsewhere(func() error {
		return deep(turn*5%31, func() error { return writeAll(conn, message) })
	})
}

func makeMessage(random *rand.Rand) []byte {
	size := random.Intn(600)
	if random.Intn(20) == 0 {
		size = random.Intn(largest)
	}
	message := make([]byte, 4+size)
	binary.BigEndian.PutUint32(message, uint32(size))
	random.Read(message[4:])
	return message
}

func answer(message []byte) []byte {
	backwards := append([]byte(nil), message[:4]...)
	for i := len(message) - 1; i >= 4; i-- {
		backwards = append(backwards, message[i])
	}
	return backwards
}

func pressMemory() {
	debug.SetGCPercent(5)
	go func() {
		for {
			runtime.GC()
			time.Sleep(2 * time.Millisecond)
		}
	}()
}

func serveEcho(conn *tls.Conn) {
	defer conn.Close()
	for turn := 0; ; turn++ {
		message, err := readMessage(conn, turn)
		if err != nil {
			return
		}
		if writeMessage(conn, answer(message), turn) != nil {
			return
		}
	}
}

func echoServer(o *options) {
	config := o.config()
	listener := listen(o)
	pressMemory()
	fmt.Println("listening")
	for {
		conn, err := listener.Accept()
		die(err)
		go serveEcho(tls.Server(conn, config))
	}
}

func sum(h hash.Hash, n int) string {
	return fmt.Sprintf("%d %x", n, h.Sum(nil))
}

// Several requests are on their way at any time: one goroutine writes, another reads.
func talk(o *options, address string, number int) (string, error) {
	const ahead = 4
	tcp, err := net.Dial("tcp", address)
	if err != nil {
		return "", err
	}
	port := tcp.LocalAddr().(*net.TCPAddr).Port
	if o.wrap {
		tcp = &wrapped{"wrapped", tcp}
	}
	conn := tls.Client(tcp, o.config())
	random := rand.New(rand.NewSource(int64(number)))
	sent, received := sha256.New(), sha256.New()
	nSent, nReceived := 0, 0
	expected := make(chan []byte, ahead)
	failed := make(chan error, 1)
	go func() {
		defer close(expected)
		for i := 0; i < o.requests; i++ {
			message := makeMessage(random)
			if err := writeMessage(conn, message, number+i); err != nil {
				failed <- err
				return
			}
			sent.Write(message)
			nSent += len(message)
			expected <- answer(message)
		}
	}()
	for want := range expected {
		got, err := readMessage(conn, number)
		if err != nil {
			return "", err
		}
		if string(got) != string(want) {
			return "", fmt.Errorf("connection %d: a wrong answer", number)
		}
		received.Write(got)
		nReceived += len(got)
	}
	select {
	case err := <-failed:
		return "", err
	default:
	}
	err = conn.Close()
	return fmt.Sprintf("%d > %s\n%d < %s\n", port, sum(sent, nSent), port,
		sum(received, nReceived)), err
}

// Says of each connection: CLIENT-PORT > BYTES SHA256 of what was sent, and < of what came.
func echoClient(o *options, address string) {
	var all sync.WaitGroup
	var lock sync.Mutex
	pressMemory()
	for i := 0; i < o.connections; i++ {
		all.Add(1)
		go func(number int) {
			defer all.Done()
			said, err := talk(o, address, number)
			if err != nil && err != io.EOF {
				die(err)
			}
			lock.Lock()
			fmt.Print(said)
			lock.Unlock()
		}(i)
	}
	all.Wait()
}
