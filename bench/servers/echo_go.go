// A peer of echo_server: the same service in goroutines, on one thread.
package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
)

func serve(client net.Conn) {
	defer client.Close()
	buffer := make([]byte, 16384)
	for {
		n, err := client.Read(buffer)
		if err != nil {
			return
		}
		if _, err := client.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func main() {
	runtime.GOMAXPROCS(1)
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("listening on %s\n", listener.Addr())
	for {
		client, err := listener.Accept()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		go serve(client)
	}
}
