server {
	listen 443 ssl http2;
	listen [::]:443 ssl http2;
	listen 80;
	server_name www.example.com;
	include snippets/snakeoil.conf;

	location ~ \.php$ {
		include snippets/fastcgi-php.conf;
		fastcgi_pass unix:/run/php/php-fpm.sock;
	}

	location ~* "\.(?:jpe?g|png|[a-f0-9]{8}\.css)$" {
		expires 30d;
		add_header Cache-Control 'public, max-age="2592000"; immutable';
	}
}
