import { QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { BrowserRouter } from 'react-router';
import { App } from './app';
import { queryClient } from './data/client';
import { PUBLIC_PATH } from './data/public-path';
import { SiteProvider } from './data/site';
import { socket } from './data/socket';
import './style.css';

socket.connect();
createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <QueryClientProvider client={queryClient}>
      <BrowserRouter basename={PUBLIC_PATH}>
        <SiteProvider>
          <App />
        </SiteProvider>
      </BrowserRouter>
    </QueryClientProvider>
  </StrictMode>,
);
