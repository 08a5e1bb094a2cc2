# https://yhbt.net/unicorn/Unicorn/Configurator.html
worker_processes 4
