// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)

// A connection that is closed while a Write on it goes on: what that has written, it says when
// it returns, which is after the Close.
package main

import (
	"crypto/tls"
	"fmt"
	"os"
)

// More than the sockets of both ends hold.
const muchMore = 64 << 20

func closeServer(o *options) {
	listener := listen(o)
	fmt.Println("listening")
	conn, err := listener.Accept()
	die(err)
	server := tls.Server(conn, o.config())
	die(server.Handshake())
	written := make(chan int)
	go func() {
		data := make([]byte, muchMore)
		for i := range data {
			data[i] = 'x'
		}
		n, err := server.Write(data)
		if err == nil {
			err = fmt.Errorf("all of it was written")
			die(err)
		}
		written <- n
	}()
	told, err := os.Open(o.to)
	die(err)
	_, err = told.Read(make([]byte, 1))
	die(err)
	server.Close()
	fmt.Println("written", <-written)
}
