// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)

// Client and server for the tests of Go's crypto/tls; built by every release from 1.15 on.
//
//	go-talk web-server -listen ADDRESS -certificate PEM -folder FOLDER
//	go-talk web-client -to FOLDER URL...
//	go-talk echo-server -listen ADDRESS -certificate PEM
//	go-talk echo-client -connections N -requests N ADDRESS
//	go-talk close-server -listen ADDRESS -certificate PEM -to FIFO
//
// A server prints "listening" when it does.
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"os"
)

type options struct {
	listen, certificate, folder, to, keylog string
	old, http1, resume, wrap, hold          bool
	connections, requests                   int
}

func die(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func parse(arguments []string) (*options, []string) {
	o := &options{}
	flags := flag.NewFlagSet("go-talk", flag.ExitOnError)
	flags.StringVar(&o.listen, "listen", "", "address of the server")
	flags.StringVar(&o.certificate, "certificate", "", "file with key and certificate")
	flags.StringVar(&o.folder, "folder", "", "what the server serves")
	flags.StringVar(&o.to, "to", "", "folder for what the client gets; what tells when to close")
	flags.StringVar(&o.keylog, "keylog", "", "file for the key log")
	flags.BoolVar(&o.old, "tls1.2", false, "at most TLS 1.2")
	flags.BoolVar(&o.http1, "http1", false, "no HTTP/2")
	flags.BoolVar(&o.resume, "resume", false, "resume sessions; a connection for each URL")
	flags.BoolVar(&o.wrap, "wrap", false, "TLS over a net.Conn of our own")
	flags.BoolVar(&o.hold, "hold", false, "one connection; a request for each line of input")
	flags.IntVar(&o.connections, "connections", 1, "at the same time")
	flags.IntVar(&o.requests, "requests", 1, "on each connection")
	die(flags.Parse(arguments))
	return o, flags.Args()
}

func (o *options) config() *tls.Config {
	config := &tls.Config{InsecureSkipVerify: true, ServerName: "server.test"}
	if o.old {
		config.MaxVersion = tls.VersionTLS12
	}
	if o.resume {
		config.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	}
	if o.keylog != "" {
		file, err := os.OpenFile(o.keylog, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0600)
		die(err)
		config.KeyLogWriter = io.Writer(file)
	}
	if o.certificate != "" {
		pair, err := tls.LoadX509KeyPair(o.certificate, o.certificate)
		die(err)
		config.Certificates = []tls.Certificate{pair}
	}
	return config
}

func main() {
	if len(os.Args) < 2 {
		die(fmt.Errorf("usage: go-talk COMMAND OPTION..."))
	}
	o, rest := parse(os.Args[2:])
	switch os.Args[1] {
	case "web-server":
		webServer(o)
	case "web-client":
		webClient(o, rest)
	case "echo-server":
		echoServer(o)
	case "echo-client":
		echoClient(o, rest[0])
	case "close-server":
		closeServer(o)
	default:
		die(fmt.Errorf("no such command: %s", os.Args[1]))
	}
}
